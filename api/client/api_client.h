// Requests to the API server, as seen by everybody who makes them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"

namespace keelson::api::client {

// The media types of bodies. https://kubernetes.io/docs/reference/using-api/api-concepts/
inline constexpr char kJson[] = "application/json";
inline constexpr char kStrategicMergePatch[] = "application/strategic-merge-patch+json";
inline constexpr char kMergePatch[] = "application/merge-patch+json";  // RFC 7386

inline constexpr Duration kRequestTimeout = std::chrono::seconds(10);

struct ApiRequest {
  std::string method = "GET";  // GET, POST, PUT, PATCH, DELETE
  std::string path;            // "/api/v1/namespaces/default/pods/web/status": no host, no query
  std::vector<std::pair<std::string, std::string>> query;  // plain text; the client encodes it
  json::value body;                                        // null: none
  std::string content_type = kJson;
  Duration timeout = kRequestTimeout;
  // What must get through when all else is queued (the Lease, the node's status): it has a connection of its
  // own and no rate limit.
  // kPaced: its caller bounds how many there are (pod statuses, events), so the rate limit passes it over.
  enum class Class { kNormal, kPaced, kHeartbeat } request_class = Class::kNormal;
};

// A request under way. Destroying it (on the loop) ends it: its callbacks do not run after that. A callback
// may destroy its own call.
class Call {
 public:
  class Impl {
   public:
    virtual ~Impl() = default;  // cancels
  };
  Call() = default;
  explicit Call(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
  bool active() const { return impl_ != nullptr; }
  void reset() { impl_.reset(); }

 private:
  std::unique_ptr<Impl> impl_;
};

// Sends requests to one API server. Queued and rate-limited (kubeAPIQPS, kubeAPIBurst); never blocks; retries
// nothing but what the server did not take: a 429 or 503 whose Retry-After fits into the request's timeout,
// and a 401 once if there are other credentials by now. Callers hold desired state and try again by their own
// back-off. The timeout counts from send(), waiting in the queue included. Home: loop.
//
// An answer that is no success becomes an Error whose text is outside-in and has the server's own message:
// "PATCH /api/v1/.../status: 409 Conflict: Operation cannot be fulfilled on ...". Codes by status and
// Status.reason:
//   400, 405, 415, 422  kInvalidArgument       401, 403  kPermissionDenied     404  kNotFound
//   409 AlreadyExists   kAlreadyExists         409, 412  kFailedPrecondition   410  kDataLoss (history is
//   gone, or a resourceVersion that is too large: list anew)     429, 5xx, no answer  kUnavailable ("(retry
//   after 30s)" at the end if the server said so)     time out  kDeadlineExceeded     too large an answer, a
//   full queue  kResourceExhausted     an answer that is no JSON, a redirect  kInternal
// A 2xx without a body is null.
class ApiClient {
 public:
  virtual ~ApiClient() = default;

  // `done` runs once, on the loop, never from inside send().
  using Done = std::function<void(Result<json::value>)>;
  [[nodiscard]] virtual Call send(ApiRequest request, Done done) = 0;

  // A long answer of JSON texts, one a line (a watch). `on_lines` gets one or several whole lines as they
  // come (no line is longer than kMaxWatchLine); `on_end` runs once when it is over: ok at its regular end,
  // else as send(). The request's timeout is the time for the answer's head. A stream on which nothing came
  // for `idle` ends with kDeadlineExceeded.
  struct StreamHandler {
    std::function<void(std::string_view lines)> on_lines;
    std::function<void(Result<void>)> on_end;
  };
  [[nodiscard]] virtual Call stream(ApiRequest request, Duration idle, StreamHandler handler) = 0;

  // "https://10.0.0.1:6443", for messages.
  virtual const std::string& server() const = 0;
};

inline constexpr size_t kMaxWatchLine = size_t{8} << 20;
inline constexpr size_t kMaxAnswer = size_t{64} << 20;

}  // namespace keelson::api::client
