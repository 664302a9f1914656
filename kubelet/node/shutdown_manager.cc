#include "kubelet/node/shutdown_manager.h"

#include <utility>

#include "base/log.h"

namespace keelson::kubelet::node {
namespace {

constexpr Duration kReconnect = std::chrono::seconds(30);
// logind reads its configuration a little after it was told to: looked at after 100 ms, 200 ms, ...
constexpr Duration kDelayCheck = std::chrono::milliseconds(100);
constexpr int kDelayChecks = 5;

}  // namespace

ShutdownManager::ShutdownManager(ShutdownDependencies dependencies, std::vector<ShutdownPeriod> periods)
    : dependencies_(std::move(dependencies)), periods_(std::move(periods)) {}

ShutdownManager::~ShutdownManager() { stop(); }

void ShutdownManager::start() {
  if (totalPeriod(periods_) == Duration{0}) return;
  running_ = true;
  connect();
}

void ShutdownManager::stop() {
  running_ = false;
  for (Registration* timer : {&timer_, &group_timer_, &reconnect_}) timer->reset();
  logind_.reset();
  lock_ = UniqueFd();
}

void ShutdownManager::connect() {
  auto made = dependencies_.connect();
  if (!made) {
    if (!was_connected_) {
      LOG_WARN("graceful node shutdown is off: {}", made.error().text);
      return;
    }
    reconnect_ = dependencies_.loop.after(kReconnect, [this] { connect(); });
    return;
  }
  was_connected_ = true;
  logind_ = std::move(made).value();
  logind_->watch([this](bool begins) { onPrepare(begins); },
                 [this](const Error& error) {
                   // Not from inside the callback of what goes away.
                   reconnect_ = dependencies_.loop.after(Duration{0}, [this, error] { onLost(error); });
                 });
  logind_->currentInhibitDelay([this](Result<Duration> current) {
    if (!current) {
      LOG_WARN("graceful node shutdown: {}", current.error().text);
      return acquire();
    }
    if (*current >= totalPeriod(periods_)) return acquire();
    raiseDelay(*current);
  });
}

void ShutdownManager::raiseDelay(Duration current) {
  LOG_INFO("graceful node shutdown: raising logind's InhibitDelayMaxSec from {} to {}",
           formatDuration(current), formatDuration(totalPeriod(periods_)));
  logind_->overrideInhibitDelay(totalPeriod(periods_), [this](Result<void> done) {
    if (!done) {
      LOG_WARN("graceful node shutdown: {}", done.error().text);
      return acquire();
    }
    delay_checks_ = 0;
    checkDelay();
  });
}

void ShutdownManager::checkDelay() {
  timer_ = dependencies_.loop.after(kDelayCheck * (1 << delay_checks_), [this] {
    logind_->currentInhibitDelay([this](Result<Duration> current) {
      if (current.ok() && *current >= totalPeriod(periods_)) return acquire();
      if (++delay_checks_ < kDelayChecks) return checkDelay();
      LOG_WARN(
          "graceful node shutdown: logind's InhibitDelayMaxSec is still {} and less than the {} of the "
          "shutdown "
          "grace periods: the machine may go before the pods are ended",
          current.ok() ? formatDuration(*current) : current.error().text,
          formatDuration(totalPeriod(periods_)));
      acquire();
    });
  });
}

void ShutdownManager::acquire() {
  logind_->acquireLock([this](Result<UniqueFd> lock) {
    if (!lock) return LOG_WARN("graceful node shutdown: inhibitor lock: {}", lock.error().text);
    lock_ = std::move(lock).value();
  });
}

void ShutdownManager::onLost(const Error& error) {
  LOG_WARN("graceful node shutdown: {}; connecting again", error.text);
  logind_.reset();
  lock_ = UniqueFd();
  timer_.reset();
  reconnect_ = dependencies_.loop.after(kReconnect, [this] { connect(); });
}

void ShutdownManager::onPrepare(bool begins) {
  if (begins == shutting_down_) return;
  shutting_down_ = begins;
  dependencies_.on_event(begins ? shutdownEvent() : shutdownCancelledEvent());
  dependencies_.changed();
  if (!begins) {
    LOG_INFO("node shutdown was called off");
    groups_.clear();
    waiting_for_.clear();
    group_timer_.reset();
    return acquire();
  }
  LOG_INFO("node shutdown begins");
  started_at_ = dependencies_.clock.wall();
  ended_at_.reset();
  groups_ = planShutdown(dependencies_.pods(), periods_);
  nextGroup();
}

void ShutdownManager::nextGroup() {
  group_timer_.reset();
  waiting_for_.clear();
  if (groups_.empty()) return finish();
  const ShutdownGroup group = std::move(groups_.front());
  groups_.erase(groups_.begin());
  LOG_INFO("node shutdown: {} pods of priority {} and above end within {}", group.steps.size(),
           group.priority, formatDuration(group.period));
  for (const auto& step : group.steps) waiting_for_.insert(step.uid);
  group_timer_ = dependencies_.loop.after(group.period, [this] {
    LOG_WARN("node shutdown: {} pods did not end in time", waiting_for_.size());
    nextGroup();
  });
  for (const auto& step : group.steps)
    dependencies_.end_pod(step.uid, step.grace, kShutdownReason, kShutdownMessage);
}

void ShutdownManager::onPodsChanged() {
  if (!shutting_down_ || ended_at_ || waiting_for_.empty()) return;
  std::set<PodUid> running;
  for (const auto& pod : dependencies_.pods()) running.insert(pod.uid);
  std::erase_if(waiting_for_, [&](const PodUid& uid) { return !running.contains(uid); });
  if (waiting_for_.empty()) nextGroup();
}

void ShutdownManager::finish() {
  ended_at_ = dependencies_.clock.wall();
  LOG_INFO("node shutdown: all pods were told to end; the machine may go");
  lock_ = UniqueFd();
}

}  // namespace keelson::kubelet::node
