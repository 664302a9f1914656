#include "api/client/http_core.h"

#include <algorithm>

namespace keelson::api::client {
namespace {

constexpr size_t kMaxNamedPath = 200;

}  // namespace

HttpCore::HttpCore(Loop& loop, Lane& lane, ClientSettings settings, std::unique_ptr<AccessSource> source,
                   const Clock& clock)
    : loop_(loop),
      lane_(lane),
      settings_(std::move(settings)),
      clock_(clock),
      source_(std::move(source)),
      strand_(lane, "api credentials"),
      bucket_(settings_.queries_per_second, settings_.burst) {
  normal_ = makeMulti();
  heartbeat_ = makeMulti();
}

HttpCore::Id HttpCore::start(std::unique_ptr<CallState> state) {
  const Id id = next_id_++;
  const Duration timeout = std::max(state->request.timeout, Duration{0});
  state->deadline = clock_.steady() + timeout;
  state->timer = loop_.after(timeout, [this, id] { onTimer(id); });
  auto& queue = state->heartbeat() ? heartbeats_ : queue_;
  calls_.emplace(id, std::move(state));
  if (queue.size() >= settings_.max_queued) {
    loop_.post([weak = weak_from_this(), id] {
      if (const auto self = weak.lock()) {
        self->finish(
            id, makeError(Code::kResourceExhausted, "{} requests wait already", self->settings_.max_queued));
      }
    });
    return id;
  }
  queue.push_back(id);
  schedulePump(Duration{0});
  return id;
}

void HttpCore::cancel(Id id) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  releaseSlot(*found->second);
  forget(id);
}

// Takes the call out of every list; it must hold no slot.
std::unique_ptr<CallState> HttpCore::forget(Id id) {
  const auto found = calls_.find(id);
  std::unique_ptr<CallState> call = std::move(found->second);
  calls_.erase(found);
  std::erase(queue_, id);
  std::erase(heartbeats_, id);
  std::erase(refused_, id);
  return call;
}

void HttpCore::close() {
  closed_ = true;
  pump_timer_.reset();
  calls_.clear();
  queue_.clear();
  heartbeats_.clear();
  refused_.clear();
  normal_.reset();
  heartbeat_.reset();
}

void HttpCore::schedulePump(Duration delay) {
  if (closed_) return;
  if (delay > Duration{0}) {
    pump_timer_ = loop_.after(delay, [this] {
      const auto self = shared_from_this();
      self->pump();
    });
    return;
  }
  if (std::exchange(pump_posted_, true)) return;
  loop_.post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->pump_posted_ = false;
      self->pump();
    }
  });
}

void HttpCore::pump() {
  if (closed_ || (queue_.empty() && heartbeats_.empty())) return;
  const SteadyTime now = clock_.steady();
  if (!usable(now)) return refresh(Why::kRoutine);
  refresh(Why::kRoutine);  // does nothing while all is fresh
  while (!closed_ && !heartbeats_.empty()) {
    const Id id = heartbeats_.front();
    heartbeats_.pop_front();
    dispatch(id);
  }
  while (!closed_ && !queue_.empty()) {
    if (in_flight_ >= settings_.max_in_flight) return;  // the next answer pumps
    auto next = queue_.begin();
    if (!isPaced(*next)) {
      const Duration wait = bucket_.take(now);
      if (wait > Duration{0}) {
        next = std::find_if(queue_.begin(), queue_.end(), [this](Id id) { return isPaced(id); });
        if (next == queue_.end()) return schedulePump(wait);
      }
    }
    const Id id = *next;
    queue_.erase(next);
    dispatch(id);
  }
}

bool HttpCore::isPaced(Id id) const {
  const auto found = calls_.find(id);
  return found != calls_.end() && found->second->request.request_class == ApiRequest::Class::kPaced;
}

void HttpCore::dispatch(Id id) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  CallState& call = *found->second;
  if (call.refused && call.refused_access->credentials.authorization == access_->credentials.authorization &&
      call.refused_access->credentials.tls == access_->credentials.tls) {
    return finish(id, *std::exchange(call.refused, std::nullopt));  // nothing new to try with
  }
  auto made = Transfer::make(call.request, call.stream ? Transfer::Shape::kStream : Transfer::Shape::kAnswer,
                             access_, settings_.user_agent, [this, id] { note(id); });
  if (!made) return finish(id, std::move(made).error());
  call.transfer = std::move(made).value();
  call.transfer->id = id;
  call.sent_at = clock_.steady();
  call.multi = call.heartbeat() ? heartbeat_ : normal_;
  if (!call.stream && !call.heartbeat()) {
    call.holds_slot = true;
    ++in_flight_;
  }
  if (auto added = call.multi->add(call.transfer->easy()); !added) {
    finish(id, std::move(added).error());
  }
}

void HttpCore::releaseSlot(CallState& call) {
  if (!std::exchange(call.holds_slot, false)) return;
  --in_flight_;
  if (!queue_.empty()) schedulePump(Duration{0});
}

void HttpCore::endTransfer(CallState& call) {
  releaseSlot(call);
  if (call.transfer == nullptr) return;
  call.multi->remove(call.transfer->easy());
  call.transfer.reset();
  call.multi.reset();
}

Error HttpCore::named(const CallState& call, Error error) const {
  return std::move(error).withContext(
      fmt::format("{} {}", call.request.method, call.request.path.substr(0, kMaxNamedPath)));
}

// The callback is the last that happens here: it may destroy whatever it likes.
void HttpCore::finish(Id id, Answer answer) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  endTransfer(*found->second);
  const std::unique_ptr<CallState> call = forget(id);
  if (!answer) answer = named(*call, std::move(answer).error());
  if (call->done) return (*call->done)(std::move(answer));
  call->stream->on_end(answer.ok() ? Result<void>() : Result<void>(std::move(answer).error()));
}

void HttpCore::onTimer(Id id) {
  const auto self = shared_from_this();
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  CallState& call = *found->second;
  const bool following = call.stream != nullptr && call.last_data != SteadyTime{};
  if (following) {
    const Duration quiet = clock_.steady() - call.last_data;
    if (quiet < call.idle) {
      call.timer = loop_.after(call.idle - quiet, [this, id] { onTimer(id); });
      return;
    }
    return finish(id, makeError(Code::kDeadlineExceeded, "nothing came for {}", formatDuration(call.idle)));
  }
  std::string where = "no answer";
  if (call.transfer == nullptr) where = access_error_.empty() ? "not sent" : "not sent: " + access_error_;
  const bool sent = call.transfer != nullptr;
  const bool heartbeat = call.heartbeat();
  const Duration timeout = call.request.timeout;
  if (sent) noteTimeout(call);
  finish(id, makeError(Code::kDeadlineExceeded, "{} within {}", where, formatDuration(timeout)));
  if (sent && !closed_) redial(heartbeat);
}

}  // namespace keelson::api::client
