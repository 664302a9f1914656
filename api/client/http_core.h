// The life of every call: queued, sent, answered.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/client/curl_multi.h"
#include "api/client/http_api_client.h"
#include "api/client/rate_limit.h"
#include "api/client/transfer.h"

namespace keelson::api::client {

// One call. Exactly one of `done` and `stream` is set. Owned by HttpCore.
struct CallState {
  ApiRequest request;
  std::shared_ptr<ApiClient::Done> done;  // shared: a callback may end its own call while it runs
  std::shared_ptr<ApiClient::StreamHandler> stream;
  Duration idle{0};
  SteadyTime deadline;     // of the answer, or of a stream's head
  SteadyTime last_data{};  // of a stream whose head came
  Registration timer;      // the deadline, then the idle limit
  Registration pause;      // Retry-After
  std::shared_ptr<CurlMulti> multi;
  std::unique_ptr<Transfer> transfer;  // while it is sent
  std::optional<Error> refused;        // the 401 for which credentials are being read anew
  std::shared_ptr<const Access> refused_access;
  int pauses = 0;
  bool holds_slot = false;
  SteadyTime sent_at{};
  bool noted = false;  // stands in the list of calls with news

  ~CallState() {
    if (transfer != nullptr) multi->remove(transfer->easy());
  }
  bool heartbeat() const { return request.request_class == ApiRequest::Class::kHeartbeat; }
};

// The state behind the HTTP client. libcurl's callbacks only take notes; callers' callbacks run from tasks of
// their own (settle), so that they may do anything: end calls, send others, destroy the client. Kept by
// shared_ptr: tasks on the loop and the lane hold it weakly. Home: loop.
class HttpCore : public std::enable_shared_from_this<HttpCore> {
 public:
  HttpCore(Loop& loop, Lane& lane, ClientSettings settings, std::unique_ptr<AccessSource> source,
           const Clock& clock);

  uint64_t start(std::unique_ptr<CallState> call);
  void cancel(uint64_t id);  // fine if it ended
  void close();              // ends all calls without a word
  const std::string& server() const { return settings_.connection.server; }

 private:
  struct Health {
    int timeouts = 0;          // in a row
    SteadyTime answered_at{};  // when anything came last
  };
  using Why = CredentialSource::Why;
  using Id = uint64_t;
  using Answer = Result<json::value>;

  // Sending (http_core.cc).
  void schedulePump(Duration delay);
  void pump();
  void pumpQueue(std::deque<Id>& queue);
  void dispatch(Id id);
  std::unique_ptr<CallState> forget(Id id);
  void releaseSlot(CallState& call);
  void endTransfer(CallState& call);
  void finish(Id id, Answer answer);
  void onTimer(Id id);
  Error named(const CallState& call, Error error) const;

  // Answers (http_answers.cc).
  void note(Id id);
  bool isPaced(Id id) const;
  void scheduleSettle();
  void settle();
  void deliver(Id id);
  void complete(Id id, CURLcode code);
  void completeStream(Id id);
  void readAnswer(Id id);
  void retryRefused(Id id, Error error);
  bool waitOut(CallState& call, Id id);

  // Connections and credentials (http_connections.cc).
  std::shared_ptr<CurlMulti> makeMulti();
  void noteAnswered(const CallState& call);
  void noteTimeout(const CallState& call);
  void redial(bool heartbeat);
  Health& healthOf(const CallState& call) { return call.heartbeat() ? heartbeat_health_ : normal_health_; }
  bool valid() const;                 // there are credentials and they have not expired
  bool usable(SteadyTime now) const;  // good enough to send with
  void refresh(Why why);
  void install(Why why, Result<std::shared_ptr<const Access>> access);
  void failWaiting(const Error& error);

  Loop& loop_;
  Lane& lane_;
  const ClientSettings settings_;
  const Clock& clock_;
  const std::shared_ptr<AccessSource> source_;
  Strand strand_;  // of source_

  std::map<Id, std::unique_ptr<CallState>> calls_;
  Id next_id_ = 1;
  std::deque<Id> queue_, heartbeats_;  // not sent yet
  std::vector<Id> refused_;            // wait for new credentials
  size_t in_flight_ = 0;               // normal requests
  TokenBucket bucket_;
  Registration pump_timer_;
  bool pump_posted_ = false;

  std::vector<Id> news_;
  std::vector<std::pair<Id, CURLcode>> finished_;
  bool settle_posted_ = false;

  std::shared_ptr<CurlMulti> normal_, heartbeat_;
  Health normal_health_, heartbeat_health_;

  std::shared_ptr<const Access> access_;
  SteadyTime access_at_{};
  bool refreshing_ = false;
  bool refresh_refused_ = false;  // another read is asked for, because of a 401
  std::string access_error_;
  bool closed_ = false;
};

}  // namespace keelson::api::client
