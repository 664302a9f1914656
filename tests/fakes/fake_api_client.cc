#include "tests/fakes/fake_api_client.h"

#include "api/client/api_error.h"

namespace keelson::fakes {
namespace {

using api::client::ApiRequest;
using api::client::Call;

std::string lineOf(const ApiRequest& request) { return request.method + " " + request.path; }

Error refused(const ApiRequest& request) {
  return makeError(Code::kUnavailable, "{}: connection refused", lineOf(request));
}

}  // namespace

Error errorOf(const ApiRequest& request, const Answer& answer) {
  return api::client::answerError(answer.code, json::serialize(answer.body)).withContext(lineOf(request));
}

struct FakeApiClient::Pending {
  ApiRequest request;
  Done done;
  Registration timeout;
};

struct FakeApiClient::Stream {
  ApiRequest request;
  Duration idle;
  StreamHandler handler;
  std::unique_ptr<Watch> watch;  // null until it is open
  std::string lines;             // of an answer that is no watch
  Registration idle_timer, end_timer;
};

// The caller's end of a request or stream.
class FakeApiClient::Handle : public Call::Impl {
 public:
  Handle(FakeApiClient& client, uint64_t id) : client_(client), alive_(client.alive_), id_(id) {}
  ~Handle() override {
    if (!*alive_) return;
    client_.pending_.erase(id_);
    client_.streams_.erase(id_);
  }

 private:
  FakeApiClient& client_;
  std::shared_ptr<bool> alive_;
  uint64_t id_;
};

FakeApiClient::FakeApiClient(Loop& loop, ApiServer& server, User user)
    : loop_(loop), server_(server), user_(std::move(user)) {
  listener_ = server_.store().listen([this] { flushSoon(); });
}

FakeApiClient::~FakeApiClient() {
  *alive_ = false;
  server_.store().unlisten(listener_);
}

Call FakeApiClient::send(ApiRequest request, Done done) {
  const auto id = next_++;
  auto pending = std::make_shared<Pending>();
  requests_.push_back(request);
  pending->request = std::move(request);
  pending->done = std::move(done);
  pending->timeout = loop_.after(pending->request.timeout, [this, id] {
    const auto found = pending_.find(id);
    if (found == pending_.end()) return;
    const auto late = found->second;
    pending_.erase(found);
    late->done(makeError(Code::kDeadlineExceeded, "{}: no answer within {}", lineOf(late->request),
                         formatDuration(late->request.timeout)));
  });
  pending_[id] = std::move(pending);
  loop_.post([this, id, alive = alive_] {
    if (*alive && !held_) perform(id);
  });
  return Call(std::make_unique<Handle>(*this, id));
}

std::optional<Error> FakeApiClient::fault(const ApiRequest& request) {
  if (!reachable_) return refused(request);
  const auto line = lineOf(request);
  for (auto& [part, failure] : failures_) {
    auto& [code, times] = failure;
    if (times <= 0 || line.find(part) == line.npos) continue;
    --times;
    return errorOf(request, code == 429   ? tooManyRequests(1)
                            : code == 410 ? expired("too old resource version")
                                          : statusFailure(code, "Injected", "a fault of the test"));
  }
  return std::nullopt;
}

ApiServer::Reply FakeApiClient::ask(const ApiRequest& request) {
  ServerCall call;
  call.method = request.method;
  call.path = request.path;
  call.query = request.query;
  call.body = request.body;
  call.content_type = request.content_type;
  call.user = user_;
  return server_.handle(call);
}

void FakeApiClient::perform(uint64_t id) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;
  const auto pending = found->second;
  pending_.erase(found);
  const auto& request = pending->request;
  if (auto error = fault(request)) return pending->done(std::move(*error));
  auto reply = ask(request);
  for (auto& [part, times] : lost_) {
    if (times <= 0 || lineOf(request).find(part) == std::string::npos) continue;
    --times;
    return pending->done(makeError(Code::kUnavailable, "{}: connection reset by peer", lineOf(request)));
  }
  auto* answer = std::get_if<Answer>(&reply);
  if (answer == nullptr)
    return pending->done(makeError(Code::kInternal, "{}: a watch needs stream()", lineOf(request)));
  if (answer->code >= 300) return pending->done(errorOf(request, *answer));
  pending->done(std::move(answer->body));
}

Call FakeApiClient::stream(ApiRequest request, Duration idle, StreamHandler handler) {
  const auto id = next_++;
  auto stream = std::make_shared<Stream>();
  requests_.push_back(request);
  stream->request = std::move(request);
  stream->idle = idle;
  stream->handler = std::move(handler);
  stream->idle_timer = loop_.after(stream->request.timeout, [this, id] {
    endStream(id,
              makeError(Code::kDeadlineExceeded, "{}: no answer within {}", lineOf(streams_.at(id)->request),
                        formatDuration(streams_.at(id)->request.timeout)));
  });
  streams_[id] = std::move(stream);
  loop_.post([this, id, alive = alive_] {
    if (*alive && !held_) openStream(id);
  });
  return Call(std::make_unique<Handle>(*this, id));
}

void FakeApiClient::openStream(uint64_t id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const auto stream = found->second;
  if (auto error = fault(stream->request)) return endStream(id, std::move(*error));
  auto reply = ask(stream->request);
  if (auto* answer = std::get_if<Answer>(&reply)) {
    if (answer->code >= 300) return endStream(id, errorOf(stream->request, *answer));
    stream->handler.on_lines(json::serialize(answer->body) + "\n");
    return endStream(id, {});
  }
  stream->watch = std::move(std::get<std::unique_ptr<Watch>>(reply));
  armIdle(id);
  if (const auto timeout = stream->watch->options().timeout)
    stream->end_timer = loop_.after(*timeout, [this, id] { endStream(id, {}); });
  flushSoon();
}

void FakeApiClient::armIdle(uint64_t id) {
  const auto& stream = streams_.at(id);
  stream->idle_timer = loop_.after(stream->idle, [this, id] {
    endStream(id, makeError(Code::kDeadlineExceeded, "{}: nothing came for {}",
                            lineOf(streams_.at(id)->request), formatDuration(streams_.at(id)->idle)));
  });
}

void FakeApiClient::flushSoon() {
  if (flush_posted_) return;
  flush_posted_ = true;
  loop_.post([this, alive = alive_] {
    if (!*alive) return;
    flush_posted_ = false;
    if (!held_) flush();
  });
}

void FakeApiClient::flush() {
  const auto streams = streams_;  // callbacks may open and end streams
  for (const auto& [id, stream] : streams) {
    if (!stream->watch || !streams_.count(id)) continue;
    if (const auto lines = stream->watch->take(); !lines.empty()) {
      armIdle(id);
      stream->handler.on_lines(lines);
    }
    if (stream->watch->ended()) endStream(id, {});
  }
}

void FakeApiClient::sendBookmarks() {
  flush();
  const auto streams = streams_;
  for (const auto& [id, stream] : streams) {
    if (!stream->watch || !streams_.count(id)) continue;
    if (const auto line = stream->watch->bookmark(); !line.empty()) {
      armIdle(id);
      stream->handler.on_lines(line);
    }
  }
}

void FakeApiClient::endStream(uint64_t id, Result<void> how) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const auto stream = found->second;
  streams_.erase(found);
  stream->handler.on_end(std::move(how));
}

void FakeApiClient::failNext(const std::string& part, int code, int times) {
  failures_[part] = {code, times};
}

void FakeApiClient::disconnect() {
  reachable_ = false;
  cutStreams();
}

void FakeApiClient::cutStreams() {
  for (const auto& [id, stream] : streams_) {
    loop_.post([this, id = id, alive = alive_] {
      if (*alive && streams_.count(id))
        endStream(id, makeError(Code::kUnavailable, "{}: connection reset by peer",
                                lineOf(streams_.at(id)->request)));
    });
  }
}

void FakeApiClient::release() {
  held_ = false;
  for (const auto& [id, pending] : pending_) {
    loop_.post([this, id = id, alive = alive_] {
      if (*alive) perform(id);
    });
  }
  for (const auto& [id, stream] : streams_) {
    if (stream->watch) continue;
    loop_.post([this, id = id, alive = alive_] {
      if (*alive) openStream(id);
    });
  }
  flushSoon();
}

size_t FakeApiClient::count(const std::string& part) const {
  size_t found = 0;
  for (const auto& request : requests_) found += lineOf(request).find(part) != std::string::npos ? 1 : 0;
  return found;
}

}  // namespace keelson::fakes
