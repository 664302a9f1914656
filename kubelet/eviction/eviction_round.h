// One look at the node, and what follows from it.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/pod.h"
#include "base/clock.h"
#include "base/executor.h"
#include "kubelet/eviction/decision.h"
#include "kubelet/eviction/pressure_state.h"
#include "kubelet/eviction/reclaim.h"
#include "kubelet/stats/observer.h"

namespace keelson::kubelet::eviction {

struct EvictionPolicy {
  std::vector<Threshold> thresholds;                              // parseThresholds()
  Duration pressure_transition_period = std::chrono::minutes(5);  // evictionPressureTransitionPeriod
  int64_t max_pod_grace_seconds = 0;                              // evictionMaxPodGracePeriod
  bool local_storage_isolation = true;                            // localStorageCapacityIsolation
  stats::SourcePaths paths;
};

// What a round found. A value.
struct RoundOutcome {
  node::NodePressure pressure;
  std::vector<Eviction> evictions;  // at most one for the node's sake, else all that broke their limits
  std::string reclaiming;           // the resource that was short, once the grace periods are over
  bool near_memory = false;         // look again soon
  std::vector<std::string> notes;   // for the log: what could not be read, reclaimed, or evicted
};

// Observes, decides and reclaims; evicting is left to its caller. Remembers what rounds must remember. Home:
// one strand; its parts outlive it.
class EvictionRound {
 public:
  EvictionRound(EvictionPolicy policy, stats::Observer& observer, Reclaim* reclaim, const Clock& clock)
      : policy_(std::move(policy)), observer_(observer), reclaim_(reclaim), clock_(clock) {}

  // `pods`: all that have not ended, with status. `asked`: told to go already, never chosen again.
  RoundOutcome run(const std::vector<api::PodPtr>& pods, const std::set<PodUid>& asked, Stop& stop);

  // At most this long goes into measuring trees in one round; the rest comes in the next ones.
  static constexpr Duration kMeasureDeadline = std::chrono::seconds(5);

 private:
  using Pods = std::vector<api::PodPtr>;
  const std::vector<Threshold>& thresholdsFor(const stats::DiskLayout& layout, RoundOutcome& outcome);
  std::vector<Eviction> limitEvictions(const Pods& pods, const stats::DiskLayout& layout, Stop& stop);
  bool reclaimed(const Pods& pods, Signal signal, const stats::DiskLayout& layout, RoundOutcome& outcome,
                 Stop& stop);
  std::vector<Candidate> measured(const Pods& pods, Signal signal, Stop& stop);

  const EvictionPolicy policy_;
  stats::Observer& observer_;
  Reclaim* const reclaim_;
  const Clock& clock_;
  PressureState state_;
  std::optional<stats::DiskLayout> layout_;
  std::vector<Threshold> thresholds_;  // with those of containerfs
  size_t next_limited_ = 0;            // whose trees are measured first
};

}  // namespace keelson::kubelet::eviction
