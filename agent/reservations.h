// What KubeletConfiguration keeps from pods: eviction thresholds, reserved resources and cores.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "api/object_meta.h"
#include "api/quantity.h"
#include "base/result.h"
#include "kubelet/eviction/thresholds.h"

namespace keelson::agent {

struct KubeletConfiguration;

// The eviction fields, for kubelet::eviction::parseThresholds().
kubelet::eviction::ThresholdConfig thresholdConfig(const KubeletConfiguration& from);

// systemReserved and kubeReserved: cpu, memory, ephemeral-storage, pid, hugepages-*; not negative.
Result<std::map<std::string, api::Quantity>> parseReserved(const api::StringMap& texts);

// "0-3,8" as numbers; kInvalidArgument for anything else or more than 8192 of them.
Result<std::vector<uint32_t>> parseCpuSet(std::string_view text);

}  // namespace keelson::agent
