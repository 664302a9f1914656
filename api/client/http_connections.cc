#include "api/client/http_core.h"

namespace keelson::api::client {
namespace {

// After so many requests in a row without an answer the connection is thought dead and dialled anew, as
// kubelet does for its heartbeats.
constexpr int kHeartbeatTimeouts = 2;
constexpr int kNormalTimeouts = 3;
constexpr Duration kRecheck = std::chrono::seconds(10);   // files and names are looked at this often
constexpr Duration kUsableFor = std::chrono::minutes(1);  // requests wait for a new look after this
constexpr Duration kReadTimeout = std::chrono::seconds(40);
constexpr Duration kBeforeExpiry = std::chrono::seconds(5);

}  // namespace

std::shared_ptr<CurlMulti> HttpCore::makeMulti() {
  return std::make_shared<CurlMulti>(loop_, [this](CURL* easy, CURLcode code) {
    finished_.emplace_back(Transfer::of(easy).id, code);
    scheduleSettle();
  });
}

void HttpCore::noteAnswered(const CallState& call) { healthOf(call) = {0, clock_.steady()}; }

// A slow answer beside others that came says nothing about the connection.
void HttpCore::noteTimeout(const CallState& call) {
  Health& health = healthOf(call);
  if (health.answered_at <= call.sent_at) ++health.timeouts;
}

// Puts a new connection in the place of one that seems dead, and ends what still waits on it.
void HttpCore::redial(bool heartbeat) {
  int& timeouts = (heartbeat ? heartbeat_health_ : normal_health_).timeouts;
  if (timeouts < (heartbeat ? kHeartbeatTimeouts : kNormalTimeouts)) return;
  timeouts = 0;
  access_at_ = SteadyTime{};
  auto& current = heartbeat ? heartbeat_ : normal_;
  const std::shared_ptr<CurlMulti> dead = std::exchange(current, makeMulti());
  std::vector<Id> stranded;
  for (const auto& [id, call] : calls_) {
    if (call->multi == dead) stranded.push_back(id);
  }
  for (const Id id : stranded) {
    finish(id, makeError(Code::kUnavailable, "the connection is given up: requests got no answer on it"));
  }
}

bool HttpCore::valid() const {
  if (access_ == nullptr) return false;
  const auto& expires = access_->credentials.expires;
  return !expires || clock_.wall() + kBeforeExpiry < *expires;
}

bool HttpCore::usable(SteadyTime now) const {
  if (access_ == nullptr) return false;
  // A plugin that gives what has expired already is not asked for each request.
  if (!valid()) return now - access_at_ < kRecheck;
  return !source_->canChange() || access_at_ == SteadyTime{} || now - access_at_ < kUsableFor;
}

void HttpCore::refresh(Why why) {
  const bool routine = why == Why::kRoutine;
  if (routine && usable(clock_.steady())) {
    if (!source_->canChange() || clock_.steady() - access_at_ < kRecheck) return;
  }
  if (refreshing_) {
    if (!routine) refresh_refused_ = true;
    return;
  }
  refreshing_ = true;
  strand_.post([weak = weak_from_this(), &loop = loop_, source = source_, why] {
    auto access = source->read(why, Stop(kReadTimeout));
    loop.post([weak, why, access = std::move(access)] {
      if (const auto self = weak.lock()) self->install(why, access);
    });
  });
}

void HttpCore::install(Why why, Result<std::shared_ptr<const Access>> access) {
  if (closed_) return;
  refreshing_ = false;
  access_at_ = clock_.steady();
  const std::shared_ptr<const Access> former = access_;
  if (access.ok()) {
    access_ = std::move(access).value();
    access_error_.clear();
    if (former != nullptr && former->credentials.tls != access_->credentials.tls) {
      // What runs goes on; everything new dials with the new certificate. The old connections end with it.
      normal_ = makeMulti();
      heartbeat_ = makeMulti();
    }
  } else {
    access_error_ = access.error().text;
  }
  if (why == Why::kRefused) {
    for (const Id id : std::exchange(refused_, {})) {
      const auto found = calls_.find(id);
      if (found != calls_.end()) (found->second->heartbeat() ? heartbeats_ : queue_).push_front(id);
    }
  }
  if (std::exchange(refresh_refused_, false)) refresh(Why::kRefused);
  if (!access_error_.empty() && !valid()) return failWaiting(access.error());
  schedulePump(Duration{0});
}

// Without credentials or addresses nothing can be sent: better a clear error now than a time-out.
void HttpCore::failWaiting(const Error& error) {
  std::vector<Id> waiting(heartbeats_.begin(), heartbeats_.end());
  waiting.insert(waiting.end(), queue_.begin(), queue_.end());
  heartbeats_.clear();
  queue_.clear();
  for (const Id id : waiting) finish(id, error);
}

}  // namespace keelson::api::client
