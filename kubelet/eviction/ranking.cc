#include "kubelet/eviction/ranking.h"

#include <algorithm>
#include <string_view>
#include <tuple>

#include "kubelet/admission.h"

namespace keelson::kubelet::eviction {
namespace {

constexpr int32_t kSystemCriticalPriority = 2'000'000'000;

// Less is evicted earlier.
struct Key {
  bool has_stats = false;
  bool within_request = true;
  int32_t priority = 0;
  int64_t below_request = 0;  // the request less the usage
  auto order() const { return std::tie(has_stats, within_request, priority, below_request); }
};

// A pod without figures is in front only where figures are compared; by pids the priority comes first.
Key keyOf(const Candidate& candidate, Signal signal, const stats::DiskLayout& layout) {
  const api::Pod& pod = *candidate.pod;
  Key key;
  key.priority = pod.spec.priority.value_or(0);
  if (!candidate.stats) {
    key.has_stats = false;
    key.within_request = false;
    return key;
  }
  key.has_stats = true;
  const std::string_view resource = resourceOf(signal);
  int64_t usage = 0;
  int64_t request = 0;
  if (resource == "memory") {
    const auto& memory = candidate.stats->usage.memory;
    usage = memory ? memory->working_set.value : 0;
    request = podRequest(pod.spec, "memory");
  } else if (resource == "pids") {
    usage = static_cast<int64_t>(candidate.stats->usage.pids.value_or(0));
  } else {
    const bool inodes = resource == "inodes";
    usage = diskUsage(*candidate.stats, diskParts(signal, layout), inodes);
    request = inodes ? 0 : podRequest(pod.spec, "ephemeral-storage");
  }
  key.within_request = usage <= request;
  key.below_request = request - usage;
  return key;
}

bool isBefore(const Key& a, const Key& b, Signal signal) {
  if (signal == Signal::kPidAvailable) {
    return std::tie(a.priority, a.has_stats, a.below_request) <
           std::tie(b.priority, b.has_stats, b.below_request);
  }
  return a.order() < b.order();
}

}  // namespace

bool isCritical(const api::Pod& pod) {
  const auto source = pod.metadata.annotations.find("kubernetes.io/config.source");
  if (source != pod.metadata.annotations.end() && source->second != "api") return true;
  if (pod.metadata.annotations.count("kubernetes.io/config.mirror") > 0) return true;
  return pod.spec.priority.value_or(0) >= kSystemCriticalPriority;
}

DiskParts diskParts(Signal signal, const stats::DiskLayout& layout) {
  if (!layout.dedicated_imagefs) return {true, true, true};
  const bool is_images = signal == Signal::kImagefsAvailable || signal == Signal::kImagefsInodesFree;
  const bool is_layers = signal == Signal::kContainerfsAvailable || signal == Signal::kContainerfsInodesFree;
  if (layout.split_containerfs) {
    // Layers lie beside logs and volumes; nothing of a pod lies with the images.
    return is_images ? DiskParts{} : DiskParts{true, true, true};
  }
  return is_images || is_layers ? DiskParts{true, false, false} : DiskParts{false, true, true};
}

int64_t diskUsage(const stats::PodStats& stats, const DiskParts& parts, bool inodes) {
  int64_t total = 0;
  const auto add = [&](const std::optional<stats::DiskUsage>& usage) {
    if (usage) total += inodes ? static_cast<int64_t>(usage->inodes) : usage->bytes.value;
  };
  for (const stats::ContainerStats& container : stats.containers) {
    if (parts.rootfs) add(container.rootfs);
    if (parts.logs) add(container.logs);
  }
  if (parts.volumes) {
    for (const stats::VolumeStats& volume : stats.volumes) add(volume.usage);
  }
  return total;
}

std::vector<Candidate> rankForEviction(std::vector<Candidate> candidates, Signal signal,
                                       const stats::DiskLayout& layout) {
  std::vector<std::pair<Key, size_t>> order;
  order.reserve(candidates.size());
  for (size_t i = 0; i < candidates.size(); ++i) order.emplace_back(keyOf(candidates[i], signal, layout), i);
  std::stable_sort(order.begin(), order.end(),
                   [&](const auto& a, const auto& b) { return isBefore(a.first, b.first, signal); });
  std::vector<Candidate> ranked;
  ranked.reserve(candidates.size());
  for (const auto& [key, index] : order) ranked.push_back(std::move(candidates[index]));
  return ranked;
}

}  // namespace keelson::kubelet::eviction
