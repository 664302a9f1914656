#include "kubelet/node/node_capacity.h"

#include <algorithm>

namespace keelson::kubelet::node {
namespace {

constexpr char kHugepages[] = "hugepages-";

int64_t milliOf(const api::ResourceList& list, const std::string& resource) {
  const auto found = list.find(resource);
  return found == list.end() ? 0 : std::max<int64_t>(found->second.milliValue(), 0);
}

int64_t valueOf(const api::ResourceList& list, const std::string& resource) {
  const auto found = list.find(resource);
  return found == list.end() ? 0 : std::max<int64_t>(found->second.value(), 0);
}

int64_t thresholdOf(const std::optional<Threshold>& threshold, int64_t capacity) {
  if (!threshold) return 0;
  if (threshold->share > 0) return static_cast<int64_t>(static_cast<double>(capacity) * threshold->share);
  return std::max<int64_t>(threshold->amount.value(), 0);
}

// a - b, never below 0; both are at least 0.
int64_t less(int64_t a, int64_t b) { return a > b ? a - b : 0; }

int64_t evictionOf(const std::string& resource, int64_t capacity, const NodeSettings& settings) {
  if (resource == "memory") return thresholdOf(settings.memory_available, capacity);
  if (resource == "ephemeral-storage") return thresholdOf(settings.nodefs_available, capacity);
  return 0;
}

int64_t maxPods(const NodeSettings& settings, int64_t cpus) {
  if (settings.pods_per_core <= 0) return settings.max_pods;
  return std::min(settings.pods_per_core * cpus, settings.max_pods);
}

}  // namespace

bool isHugepages(const std::string& resource) { return resource.starts_with(kHugepages); }

bool isExtendedResource(const std::string& resource) {
  return resource.find('/') != std::string::npos && resource.find("kubernetes.io/") == std::string::npos &&
         !resource.starts_with("requests.");
}

api::ResourceList buildCapacity(const NodeInput& input) {
  api::ResourceList capacity{
      {"cpu", api::Quantity::of(input.facts.cpus)},
      {"memory", api::Quantity::ofBytes(input.facts.memory.value)},
      {"pods", api::Quantity::of(maxPods(input.settings, input.facts.cpus))},
      {"ephemeral-storage", api::Quantity::ofBytes(input.facts.root_filesystem.value)},
  };
  for (const auto& [size, total] : input.facts.hugepages)
    capacity[kHugepages + api::Quantity::ofBytes(size).str()] = api::Quantity::ofBytes(total.value);
  return capacity;
}

api::ResourceList buildAllocatable(const api::ResourceList& capacity, const NodeSettings& settings) {
  api::ResourceList allocatable = capacity;
  int64_t hugepages = 0;
  for (const auto& [name, amount] : capacity)
    if (isHugepages(name)) hugepages += valueOf(capacity, name);
  for (auto& [name, amount] : allocatable) {
    if (name == "cpu") {
      const int64_t reserved =
          milliOf(settings.kube_reserved, name) + milliOf(settings.system_reserved, name);
      amount = api::Quantity::ofMilli(less(amount.milliValue(), reserved));
      continue;
    }
    const int64_t reserved = valueOf(settings.kube_reserved, name) + valueOf(settings.system_reserved, name) +
                             evictionOf(name, amount.value(), settings);
    const int64_t pages = name == "memory" ? hugepages : 0;
    if (reserved == 0 && pages == 0) continue;
    const int64_t left = less(less(amount.value(), reserved), pages);
    const bool in_bytes = name == "memory" || name == "ephemeral-storage" || isHugepages(name);
    amount = in_bytes ? api::Quantity::ofBytes(left) : api::Quantity::of(left);
  }
  return allocatable;
}

runtime::CgroupRequest withLimits(runtime::CgroupRequest kubepods, const KubepodsLimits& limits) {
  constexpr int64_t kSharesPerCore = 1024;
  constexpr int64_t kLeastShares = 2;
  kubepods.cpu_shares = std::max(limits.cpu.value * kSharesPerCore / 1000, kLeastShares);
  kubepods.memory_limit = limits.memory;
  kubepods.pids_limit = limits.pids;
  return kubepods;
}

KubepodsLimits kubepodsLimits(const NodeInput& input, Enforce enforce) {
  const NodeSettings& settings = input.settings;
  const auto reserved = [&](const std::string& name) {
    if (enforce == Enforce::kNothing) return int64_t{0};
    return valueOf(settings.kube_reserved, name) + valueOf(settings.system_reserved, name);
  };
  const int64_t cpu_reserved = enforce == Enforce::kNothing ? 0
                                                            : milliOf(settings.kube_reserved, "cpu") +
                                                                  milliOf(settings.system_reserved, "cpu");
  KubepodsLimits limits;
  limits.cpu = Millicpu{less(input.facts.cpus * 1000, cpu_reserved)};
  limits.memory = Bytes{less(input.facts.memory.value, reserved("memory"))};
  if (input.facts.pids > 0) limits.pids = less(input.facts.pids, reserved("pid"));
  for (const auto& [size, total] : input.facts.hugepages) {
    const std::string name = kHugepages + api::Quantity::ofBytes(size).str();
    limits.hugepages[size] = Bytes{less(total.value, reserved(name))};
  }
  return limits;
}

}  // namespace keelson::kubelet::node
