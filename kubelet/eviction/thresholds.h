// When the node is short of something: the thresholds of the configuration.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/pod.h"
#include "base/clock.h"
#include "base/result.h"

namespace keelson::kubelet::eviction {

enum class Signal {
  kMemoryAvailable,
  kNodefsAvailable,
  kNodefsInodesFree,
  kImagefsAvailable,
  kImagefsInodesFree,
  kContainerfsAvailable,
  kContainerfsInodesFree,
  kAllocatableMemoryAvailable,
  kPidAvailable,
};
// "memory.available". Pure, as everything here.
const char* signalName(Signal signal);
std::optional<Signal> parseSignal(std::string_view name);
// What a signal speaks of in events and messages: memory, ephemeral-storage, inodes, pids.
const char* resourceOf(Signal signal);

// An amount, or a share of the capacity. Shares are float, as the real kubelet has them, so that messages
// agree.
struct ThresholdValue {
  std::optional<api::Quantity> quantity;
  float percentage = 0;  // 0.1 is 10 %; used without a quantity
  bool operator==(const ThresholdValue&) const = default;
};
api::Quantity thresholdQuantity(const ThresholdValue& value, const api::Quantity& capacity);

// Met while less than `value` is available.
struct Threshold {
  Signal signal = Signal::kMemoryAvailable;
  ThresholdValue value;
  Duration grace{0};                          // 0: hard
  std::optional<ThresholdValue> min_reclaim;  // once met, it stays so until this much more is available
  bool isHard() const { return grace == Duration{0}; }
  bool operator==(const Threshold&) const = default;
};

// The fields of KubeletConfiguration, as they were written.
struct ThresholdConfig {
  using Statements = std::map<std::string, std::string>;
  std::optional<Statements> hard;  // evictionHard; absent: the defaults. An empty map is no threshold.
  Statements soft;                 // evictionSoft
  Statements soft_grace_period;    // evictionSoftGracePeriod
  Statements minimum_reclaim;      // evictionMinimumReclaim
  bool merge_defaults = false;     // mergeDefaultEvictionSettings
  std::vector<std::string> enforce_node_allocatable = {"pods"};
};

// memory.available<100Mi, nodefs.available<10%, nodefs.inodesFree<5%, imagefs.available<15%,
// imagefs.inodesFree<5%.
const ThresholdConfig::Statements& defaultEvictionHard();
// What counts of evictionHard: it replaces all defaults unless they are to be merged.
ThresholdConfig::Statements effectiveHard(const ThresholdConfig& config);

// Hard ones, soft ones, and allocatableMemory.available beside each hard memory.available where node
// allocatable is enforced on pods. "0%" and "100%" turn a signal off. kInvalidArgument with the real
// kubelet's sentences.
Result<std::vector<Threshold>> parseThresholds(const ThresholdConfig& config);

// With the thresholds of containerfs, which are those of nodefs or imagefs, whichever holds the writable
// layers; configured ones are left out and named in `ignored`.
struct WithContainerfs {
  std::vector<Threshold> thresholds;
  std::vector<std::string> ignored;
};
WithContainerfs withContainerfs(const std::vector<Threshold>& thresholds, bool layers_on_imagefs);

// What hard thresholds keep back of a node's capacity ("memory", "ephemeral-storage") from allocatable
// (NODE-14).
api::ResourceList hardEvictionReservation(const std::vector<Threshold>& thresholds,
                                          const api::ResourceList& capacity);

}  // namespace keelson::kubelet::eviction
