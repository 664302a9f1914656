// Eviction thresholds and reservations as values, parsed from KubeletConfiguration's texts.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/object_meta.h"
#include "api/quantity.h"
#include "base/clock.h"
#include "base/result.h"

namespace keelson::agent {

struct KubeletConfiguration;

// "100Mi" or "10%": an amount, or a share of the capacity.
struct ThresholdValue {
  std::optional<api::Quantity> quantity;
  double share = 0;  // 0 to 1; without a quantity
};

// "below `value` of `signal` (memory.available, nodefs.inodesFree, ...), pods are evicted".
struct EvictionThreshold {
  std::string signal;
  ThresholdValue value;
  Duration grace{0};           // soft: how long it must hold. 0: hard
  ThresholdValue min_reclaim;  // how much more than the threshold is freed; without one a quantity of 0
};

// memory.available<100Mi, nodefs.available<10%, nodefs.inodesFree<5%, imagefs.available<15%,
// imagefs.inodesFree<5%
api::StringMap defaultEvictionHard();

// kInvalidArgument "invalid quantity ..." or a share outside 0 % to 100 %.
Result<ThresholdValue> parseThresholdValue(std::string_view text);

// Hard thresholds first, each list by signal. A threshold of 0 or 0 %, and one of 100 %, is off, as
// upstream. kInvalidArgument for an unknown signal, a bad value, or a soft threshold without its grace
// period.
Result<std::vector<EvictionThreshold>> parseEvictionThresholds(const KubeletConfiguration& configuration);

// systemReserved and kubeReserved: cpu, memory, ephemeral-storage, pid, hugepages-*; not negative.
Result<std::map<std::string, api::Quantity>> parseReserved(const api::StringMap& texts);

// "0-3,8" as numbers; kInvalidArgument for anything else or more than 8192 of them.
Result<std::vector<uint32_t>> parseCpuSet(std::string_view text);

}  // namespace keelson::agent
