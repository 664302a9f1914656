#include "kubelet/eviction/eviction_manager.h"

#include <algorithm>

#include "api/pod.h"
#include "base/log.h"

namespace keelson::kubelet::eviction {
namespace {

constexpr Duration kRoundDeadline = std::chrono::seconds(30);

std::set<PodUid> uidsOf(const std::vector<api::PodPtr>& pods) {
  std::set<PodUid> uids;
  for (const api::PodPtr& pod : pods) uids.insert(PodUid{pod->metadata.uid});
  return uids;
}

void keepOnly(std::set<PodUid>& uids, const std::set<PodUid>& present) {
  std::erase_if(uids, [&](const PodUid& uid) { return present.count(uid) == 0; });
}

}  // namespace

EvictionManager::EvictionManager(EvictionOptions options, const EvictionDependencies& dependencies,
                                 EvictionCallbacks callbacks)
    : options_(std::move(options)),
      deps_(dependencies),
      callbacks_(std::move(callbacks)),
      round_(std::make_shared<EvictionRound>(options_.policy, dependencies.observer, dependencies.reclaim,
                                             dependencies.clock)),
      strand_(dependencies.lane, "eviction") {}

EvictionManager::~EvictionManager() { stop(); }

void EvictionManager::start() {
  if (phase_ != Phase::kStopped) return;
  const EvictionPolicy& policy = options_.policy;
  if (policy.thresholds.empty() && !policy.local_storage_isolation) return;
  phase_ = Phase::kIdle;
  alive_ = std::make_shared<int>();
  if (!options_.pressure_file.empty()) {
    auto watch = PressureWatch::open(deps_.loop, options_.pressure_file, [this] { trigger(); });
    if (watch) {
      watch_ = std::move(watch).value();
    } else {
      LOG_INFO("eviction: no memory pressure trigger, memory is looked at every {}: {}",
               formatDuration(options_.monitoring_interval), watch.error().text);
    }
  }
  startRound();
}

void EvictionManager::stop() {
  phase_ = Phase::kStopped;
  alive_.reset();
  if (running_) running_->cancel();
  running_.reset();
  watch_.reset();
  timer_.reset();
}

void EvictionManager::trigger() {
  if (phase_ == Phase::kRunning) again_ = true;
  if (phase_ != Phase::kIdle) return;
  const Duration since = deps_.clock.steady() - round_started_;
  if (since >= options_.urgent_interval) {
    startRound();
  } else {
    wait(options_.urgent_interval - since);
  }
}

void EvictionManager::wait(Duration delay) {
  timer_ = deps_.loop.after(delay, [this] { startRound(); });
}

void EvictionManager::startRound() {
  phase_ = Phase::kRunning;
  again_ = false;
  timer_.reset();
  round_started_ = deps_.clock.steady();
  std::vector<api::PodPtr> pods = callbacks_.active_pods();
  keepOnly(asked_, uidsOf(pods));
  running_ = Stop(kRoundDeadline);
  strand_.post([this, round = round_, pods = std::move(pods), asked = asked_, stop = *running_,
                alive = std::weak_ptr<int>(alive_), &loop = deps_.loop]() mutable {
    RoundOutcome outcome = round->run(pods, asked, stop);
    loop.post([this, alive, outcome = std::move(outcome)]() mutable {
      if (!alive.expired()) finishRound(std::move(outcome));
    });
  });
}

void EvictionManager::finishRound(RoundOutcome outcome) {
  running_.reset();
  phase_ = Phase::kIdle;
  report(outcome);
  if (phase_ == Phase::kStopped) return;  // a callback did so
  if (!outcome.evictions.empty()) {
    phase_ = Phase::kCleaning;
    cleanup_since_ = deps_.clock.steady();
    timer_ = deps_.loop.after(options_.cleanup_poll, [this] { watchCleanup(); });
    return;
  }
  const bool soon = again_ || outcome.near_memory;
  wait(soon ? std::min(options_.urgent_interval, options_.monitoring_interval)
            : options_.monitoring_interval);
}

void EvictionManager::report(const RoundOutcome& outcome) {
  if (outcome.notes != last_notes_) {
    for (const std::string& note : outcome.notes) LOG_WARN("{}", note);
    last_notes_ = outcome.notes;
  }
  if (outcome.pressure != pressure_) {
    LOG_INFO("eviction: the node's pressure is {} (was {})", pressureText(outcome.pressure),
             pressureText(pressure_));
    pressure_ = outcome.pressure;
    callbacks_.pressure_changed(pressure_);
  }
  if (!outcome.reclaiming.empty()) {
    callbacks_.node_event("EvictionThresholdMet", "Attempting to reclaim " + outcome.reclaiming);
  }
  cleaning_.clear();
  for (const Eviction& eviction : outcome.evictions) {
    LOG_WARN("eviction: pod {} goes: {}", api::podFullName(*eviction.pod), eviction.message);
    ++counts_[eviction.signal];
    asked_.insert(eviction.uid);
    cleaning_.insert(eviction.uid);
    callbacks_.pod_event(eviction);
    callbacks_.evict(eviction);
  }
}

void EvictionManager::watchCleanup() {
  keepOnly(cleaning_, uidsOf(callbacks_.active_pods()));
  if (cleaning_.empty()) return startRound();
  if (deps_.clock.steady() - cleanup_since_ >= options_.cleanup_timeout) {
    LOG_WARN("eviction: {} evicted pods are not cleaned up after {}", cleaning_.size(),
             formatDuration(options_.cleanup_timeout));
    return startRound();
  }
  timer_ = deps_.loop.after(options_.cleanup_poll, [this] { watchCleanup(); });
}

}  // namespace keelson::kubelet::eviction
