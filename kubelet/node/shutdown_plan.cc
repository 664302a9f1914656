#include "kubelet/node/shutdown_plan.h"

#include <algorithm>

namespace keelson::kubelet::node {

Result<std::vector<ShutdownPeriod>> shutdownPeriods(const ShutdownSettings& settings) {
  const bool simple = settings.grace_period != Duration{0} || settings.critical_grace_period != Duration{0};
  if (simple && !settings.by_priority.empty()) {
    return makeError(Code::kInvalidArgument,
                     "shutdownGracePeriodByPodPriority cannot stand beside shutdownGracePeriod and "
                     "shutdownGracePeriodCriticalPods");
  }
  if (settings.grace_period < Duration{0} || settings.critical_grace_period < Duration{0} ||
      settings.critical_grace_period > settings.grace_period) {
    return makeError(Code::kInvalidArgument,
                     "shutdownGracePeriodCriticalPods ({}) must be between 0 and shutdownGracePeriod ({})",
                     formatDuration(settings.critical_grace_period), formatDuration(settings.grace_period));
  }
  if (!simple) {
    std::vector<ShutdownPeriod> periods = settings.by_priority;
    std::sort(periods.begin(), periods.end(),
              [](const auto& a, const auto& b) { return a.priority < b.priority; });
    for (const auto& period : periods)
      if (period.period < Duration{0})
        return makeError(Code::kInvalidArgument,
                         "shutdownGracePeriodByPodPriority: priority {}: negative period", period.priority);
    return periods;
  }
  return std::vector<ShutdownPeriod>{{0, settings.grace_period - settings.critical_grace_period},
                                     {kSystemCriticalPriority, settings.critical_grace_period}};
}

Duration totalPeriod(const std::vector<ShutdownPeriod>& periods) {
  Duration total{0};
  for (const auto& period : periods) total += period.period;
  return total;
}

std::vector<ShutdownGroup> planShutdown(const std::vector<ShutdownPod>& pods,
                                        const std::vector<ShutdownPeriod>& periods) {
  std::vector<ShutdownGroup> groups;
  for (const auto& period : periods) groups.push_back({period.priority, period.period, {}});
  if (groups.empty()) return groups;
  for (const ShutdownPod& pod : pods) {
    // The last group that is not above the pod; those below all of them go with the first.
    auto above =
        std::upper_bound(groups.begin(), groups.end(), pod.priority,
                         [](int32_t priority, const auto& group) { return priority < group.priority; });
    ShutdownGroup& group = above == groups.begin() ? *above : *std::prev(above);
    group.steps.push_back({pod.uid, std::min(std::max(pod.grace, Duration{0}), group.period)});
  }
  std::erase_if(groups, [](const auto& group) { return group.steps.empty(); });
  return groups;
}

}  // namespace keelson::kubelet::node
