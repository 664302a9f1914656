// From observations to what must be acted on: thresholds over time.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "kubelet/eviction/thresholds.h"
#include "kubelet/node/pressure.h"
#include "kubelet/stats/stats.h"

namespace keelson::kubelet::eviction {

struct Observation {
  api::Quantity available;
  api::Quantity capacity;
  WallTime at;
};
using Observations = std::map<Signal, Observation>;

// The signals of what was read; a figure that is missing leaves its signal out. memory.available is the
// node's capacity less the working set of the root cgroup; allocatableMemory.available is there only while
// kubepods has a limit. Pure, as everything here.
Observations observe(const stats::NodeStats& node);

// Those of which less is available than they say. With `reclaim`, than they say and their minimum reclaim.
enum class Reclaimed { kIgnore, kEnforce };
std::vector<Threshold> thresholdsMet(const std::vector<Threshold>& thresholds,
                                     const Observations& observations, Reclaimed reclaim);

// The conditions that these thresholds stand for.
node::NodePressure pressureOf(const std::vector<Threshold>& thresholds);
// "[MemoryPressure DiskPressure]"
std::string pressureText(const node::NodePressure& pressure);

// What is remembered from round to round. A value.
struct PressureState {
  node::NodePressure pressure;  // to report; each stays until it was not observed for the transition period
  std::optional<SteadyTime> memory_at, disk_at, pid_at;          // last observed
  std::vector<std::pair<Threshold, SteadyTime>> first_observed;  // met without a break since
  std::vector<Threshold> met;                                    // and their grace periods over
  Observations observations;
};

struct Evaluation {
  PressureState state;
  // Met, past their grace period, and seen in figures newer than the last round's; memory first.
  std::vector<Threshold> to_act;
};
Evaluation evaluate(const PressureState& before, const std::vector<Threshold>& thresholds,
                    const Observations& observations, Duration transition_period, SteadyTime now);

// Whether memory is within twice a threshold of memory: worth a look every second.
bool isNearMemoryThreshold(const std::vector<Threshold>& thresholds, const Observations& observations);

}  // namespace keelson::kubelet::eviction
