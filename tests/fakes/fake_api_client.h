// An API client whose server is in the same process, for tests of everything that speaks to the API server.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/client/api_client.h"
#include "base/executor.h"
#include "tests/fakes/api_server/api_server.h"

namespace keelson::fakes {

// Answers come from an ApiServer (look at its store, load() objects, patch them as a controller would); each
// is a task of its own on the loop, never inside send(). Strict as the HTTP client: cancelled calls stay
// silent, errors carry the contract's codes, a request that gets no answer in its time fails with
// kDeadlineExceeded. The server must be touched on the loop's thread only, or while the loop does not run.
// Home: loop; ends before the loop.
class FakeApiClient final : public api::client::ApiClient {
 public:
  // `user`: who asks; {"system:node:n1", "", {"system:nodes"}} may do what a node may.
  FakeApiClient(Loop& loop, ApiServer& server, User user = {});
  ~FakeApiClient() override;

  api::client::Call send(api::client::ApiRequest request, Done done) override;
  api::client::Call stream(api::client::ApiRequest request, Duration idle, StreamHandler handler) override;
  const std::string& server() const override { return name_; }

  // ---- faults ----

  // The next `times` requests whose "METHOD path" contains `part` fail with this HTTP code.
  void failNext(const std::string& part, int code, int times = 1);
  // Nobody listens: requests fail with kUnavailable, open streams end so. Until connect().
  void disconnect();
  void connect() { reachable_ = true; }
  // Streams end (kUnavailable), requests go on: an API server that was restarted.
  void cutStreams();
  // Nothing is answered and nothing is streamed until release(); then all, in order.
  void hold() { held_ = true; }
  void release();
  // The next `times` matching requests are carried out, but their answer is lost (kUnavailable).
  void loseAnswer(const std::string& part, int times = 1) { lost_[part] += times; }
  // Every watch that asked for bookmarks gets one now (nothing sends them by itself here).
  void sendBookmarks();

  // ---- what was asked ----

  const std::vector<api::client::ApiRequest>& requests() const { return requests_; }
  // Of requests so far whose "METHOD path" contains `part`.
  size_t count(const std::string& part) const;
  size_t openStreams() const { return streams_.size(); }

 private:
  struct Pending;
  struct Stream;
  class Handle;
  void perform(uint64_t id);
  void openStream(uint64_t id);
  void flush();
  void flushSoon();
  void endStream(uint64_t id, Result<void> how);
  void armIdle(uint64_t id);
  std::optional<Error> fault(const api::client::ApiRequest& request);
  ApiServer::Reply ask(const api::client::ApiRequest& request);

  Loop& loop_;
  ApiServer& server_;
  User user_;
  std::string name_ = "https://fake-api-server";
  std::vector<api::client::ApiRequest> requests_;
  std::map<uint64_t, std::shared_ptr<Pending>> pending_;
  std::map<uint64_t, std::shared_ptr<Stream>> streams_;
  std::map<std::string, std::pair<int, int>> failures_;  // part -> code, times
  std::map<std::string, int> lost_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  uint64_t next_ = 1, listener_ = 0;
  bool reachable_ = true, held_ = false, flush_posted_ = false;
};

// The Error that the HTTP client makes of a failed answer.
Error errorOf(const api::client::ApiRequest& request, const Answer& answer);

}  // namespace keelson::fakes
