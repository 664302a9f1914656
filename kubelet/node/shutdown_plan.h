// Who ends when in a graceful node shutdown.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"

namespace keelson::kubelet::node {

// One entry of shutdownGracePeriodByPodPriority: pods of this priority up to the next one's.
struct ShutdownPeriod {
  int32_t priority = 0;
  Duration period{0};
  bool operator==(const ShutdownPeriod&) const = default;
};

struct ShutdownSettings {
  Duration grace_period{0};           // shutdownGracePeriod; 0: off
  Duration critical_grace_period{0};  // shutdownGracePeriodCriticalPods, the part of it for critical ones
  std::vector<ShutdownPeriod> by_priority;
};

inline constexpr int32_t kSystemCriticalPriority = 2'000'000'000;

// The periods by rising priority; empty: the feature is off. kInvalidArgument when both ways of saying it are
// used, or the critical part is longer than the whole.
Result<std::vector<ShutdownPeriod>> shutdownPeriods(const ShutdownSettings& settings);
Duration totalPeriod(const std::vector<ShutdownPeriod>& periods);

// A pod that is not over.
struct ShutdownPod {
  PodUid uid;
  int32_t priority = 0;
  Duration grace{0};  // terminationGracePeriodSeconds
};

struct ShutdownStep {
  PodUid uid;
  Duration grace{0};
  bool operator==(const ShutdownStep&) const = default;
};

// Pods that end together; the next group waits for them, at most `period`.
struct ShutdownGroup {
  int32_t priority = 0;
  Duration period{0};
  std::vector<ShutdownStep> steps;
};

// The groups in the order in which they end, without empty ones. A pod gets its own grace period, or its
// group's if that is shorter.
std::vector<ShutdownGroup> planShutdown(const std::vector<ShutdownPod>& pods,
                                        const std::vector<ShutdownPeriod>& periods);

}  // namespace keelson::kubelet::node
