#include "kubelet/eviction/decision.h"

#include <algorithm>

#include "kubelet/restart.h"
#include "runtime/cgroup_layout.h"

namespace keelson::kubelet::eviction {
namespace {

constexpr auto kImmediate = std::chrono::seconds(1);
constexpr int64_t kDefaultGraceSeconds = 30;
constexpr char kStorage[] = "ephemeral-storage";

const api::Container* findContainer(const api::PodSpec& spec, const std::string& name) {
  for (const auto* list : {&spec.containers, &spec.init_containers}) {
    for (const api::Container& container : *list) {
      if (container.name == name) return &container;
    }
  }
  return nullptr;
}

api::Quantity amountOf(const api::ResourceList& list, const std::string& resource) {
  const auto found = list.find(resource);
  return found == list.end() ? api::Quantity{} : found->second;
}

std::optional<api::Quantity> usageOf(const stats::ContainerStats& container, std::string_view resource) {
  if (resource == "memory" && container.usage.memory) {
    return api::Quantity::ofBytes(container.usage.memory->working_set.value);
  }
  if (resource == kStorage && container.rootfs && container.logs) {
    return api::Quantity::ofBytes(container.rootfs->bytes.value + container.logs->bytes.value);
  }
  return std::nullopt;
}

std::string metText(std::string_view resource, const std::vector<Threshold>& met,
                    const Observations& observations) {
  for (const Threshold& threshold : met) {
    const auto observed = observations.find(threshold.signal);
    if (resource != resourceOf(threshold.signal) || observed == observations.end()) continue;
    return fmt::format("Threshold quantity: {}, available: {}. ",
                       thresholdQuantity(threshold.value, observed->second.capacity).str(),
                       observed->second.available.str());
  }
  return "";
}

void append(std::string& list, const std::string& item) { list += (list.empty() ? "" : ",") + item; }

// The containers that use more than they asked for, in message and annotations.
void blameContainers(Eviction& eviction, const stats::PodStats& stats, const std::string& resource) {
  const api::Pod& pod = *eviction.pod;
  if (resource == "memory" && pod.spec.resources && pod.spec.resources->requests.count(resource) > 0 &&
      stats.usage.memory) {
    const std::string usage = api::Quantity::ofBytes(stats.usage.memory->working_set.value).str();
    eviction.message +=
        fmt::format("Pod {} was using {}, request is {}, has larger consumption of {}. ", pod.metadata.name,
                    usage, amountOf(pod.spec.resources->requests, resource).str(), resource);
    eviction.annotations["offending_pod"] = pod.metadata.name;
    eviction.annotations["offending_pod_usage"] = usage;
  }
  std::string names;
  std::string usages;
  for (const stats::ContainerStats& each : stats.containers) {
    const api::Container* container = findContainer(pod.spec, each.name);
    const auto usage = usageOf(each, resource);
    if (container == nullptr || !usage) continue;
    const api::Quantity request = amountOf(container->resources.requests, resource);
    if (*usage <= request) continue;
    eviction.message +=
        fmt::format("Container {} was using {}, request is {}, has larger consumption of {}. ", each.name,
                    usage->str(), request.str(), resource);
    append(names, each.name);
    append(usages, usage->str());
  }
  eviction.annotations["offending_containers"] = names;
  eviction.annotations["offending_containers_usage"] = usages;
}

Eviction overLimit(const api::PodPtr& pod, std::string message, std::string signal) {
  Eviction eviction;
  eviction.uid = PodUid{pod->metadata.uid};
  eviction.pod = pod;
  eviction.message = std::move(message);
  eviction.grace = kImmediate;
  eviction.signal = std::move(signal);
  return eviction;
}

// What the pod as a whole may take: the sum over containers that have a limit, or an init step's if that is
// more, and overhead (resourcehelper.PodLimits). Absent if none has one.
std::optional<api::Quantity> podStorageLimit(const api::PodSpec& spec) {
  bool limited = false;
  const auto limitOf = [&](const api::Container& container) {
    limited = limited || container.resources.limits.count(kStorage) > 0;
    return amountOf(container.resources.limits, kStorage);
  };
  api::Quantity apps;
  for (const api::Container& container : spec.containers) apps = apps + limitOf(container);
  api::Quantity sidecars;
  api::Quantity largest_init;
  for (const api::Container& container : spec.init_containers) {
    const bool sidecar = initKind(container) == ContainerKind::kSidecar;
    if (sidecar) sidecars = sidecars + limitOf(container);
    largest_init = std::max(largest_init, sidecar ? sidecars : sidecars + limitOf(container));
  }
  if (!limited) return std::nullopt;
  return std::max(apps + sidecars, largest_init) + amountOf(spec.overhead, kStorage);
}

std::optional<Eviction> emptyDirEviction(const api::PodPtr& pod, const stats::PodStats& stats) {
  for (const api::Volume& volume : pod->spec.volumes) {
    if (!volume.empty_dir || !volume.empty_dir->size_limit) continue;
    const api::Quantity& limit = *volume.empty_dir->size_limit;
    if (limit <= api::Quantity{}) continue;
    for (const stats::VolumeStats& used : stats.volumes) {
      if (used.name != volume.name || api::Quantity::ofBytes(used.usage.bytes.value) <= limit) continue;
      return overLimit(
          pod,
          fmt::format("Usage of EmptyDir volume \"{}\" exceeds the limit \"{}\". ", volume.name, limit.str()),
          "emptydirfs.limit");
    }
  }
  return std::nullopt;
}

std::optional<Eviction> containerEviction(const api::PodPtr& pod, const stats::PodStats& stats,
                                          const stats::DiskLayout& layout) {
  for (const stats::ContainerStats& each : stats.containers) {
    const auto container = std::find_if(pod->spec.containers.begin(), pod->spec.containers.end(),
                                        [&](const api::Container& known) { return known.name == each.name; });
    if (container == pod->spec.containers.end()) continue;
    const api::Quantity limit = amountOf(container->resources.limits, kStorage);
    if (limit.isZero()) continue;
    int64_t used = each.logs ? each.logs->bytes.value : 0;
    if (!layout.dedicated_imagefs && each.rootfs) used += each.rootfs->bytes.value;
    if (api::Quantity::ofBytes(used) <= limit) continue;
    return overLimit(pod,
                     fmt::format("Container {} exceeded its local ephemeral storage limit \"{}\". ",
                                 each.name, limit.str()),
                     "ephemeralcontainerfs.limit");
  }
  return std::nullopt;
}

bool toleratesMemoryPressure(const api::PodSpec& spec) {
  return std::any_of(spec.tolerations.begin(), spec.tolerations.end(), [](const api::Toleration& each) {
    if (!each.effect.empty() && each.effect != "NoSchedule") return false;
    if (!each.key.empty() && each.key != "node.kubernetes.io/memory-pressure") return false;
    if (each.operator_ == "Exists") return true;
    // The taint has no value; an empty operator is Equal. An empty key needs Exists.
    return !each.key.empty() && (each.operator_.empty() || each.operator_ == "Equal") && each.value.empty();
  });
}

}  // namespace

Duration evictionGrace(const api::Pod& pod, const Threshold& threshold, int64_t max_pod_grace_seconds) {
  if (threshold.isHard()) return kImmediate;
  int64_t seconds = pod.spec.termination_grace_period_seconds.value_or(kDefaultGraceSeconds);
  if (max_pod_grace_seconds >= 0) seconds = std::min(seconds, max_pod_grace_seconds);
  return std::chrono::seconds(std::max<int64_t>(seconds, 1));
}

Eviction pressureEviction(const Candidate& candidate, const Threshold& threshold,
                          const std::vector<Threshold>& met, const Observations& observations,
                          int64_t max_pod_grace_seconds) {
  const std::string resource = resourceOf(threshold.signal);
  Eviction eviction;
  eviction.uid = PodUid{candidate.pod->metadata.uid};
  eviction.pod = candidate.pod;
  eviction.grace = evictionGrace(*candidate.pod, threshold, max_pod_grace_seconds);
  eviction.disruption_target = true;
  eviction.signal = signalName(threshold.signal);
  eviction.message =
      fmt::format("The node was low on resource: {}. ", resource) + metText(resource, met, observations);
  if (!candidate.stats) return eviction;
  blameContainers(eviction, *candidate.stats, resource);
  eviction.annotations["starved_resource"] = resource;
  return eviction;
}

bool hasDiskLimits(const api::Pod& pod) {
  const bool has_sized_dir =
      std::any_of(pod.spec.volumes.begin(), pod.spec.volumes.end(), [](const auto& each) {
        return each.empty_dir && each.empty_dir->medium.empty() && each.empty_dir->size_limit &&
               *each.empty_dir->size_limit > api::Quantity{};
      });
  return has_sized_dir || podStorageLimit(pod.spec).has_value();
}

std::optional<Eviction> limitEviction(const api::PodPtr& pod, const stats::PodStats& stats,
                                      const stats::DiskLayout& layout) {
  if (isCritical(*pod)) return std::nullopt;
  if (auto eviction = emptyDirEviction(pod, stats)) return eviction;
  const auto limit = podStorageLimit(pod->spec);
  if (limit && api::Quantity::ofBytes(stats.ephemeral().bytes.value) > *limit) {
    return overLimit(
        pod,
        fmt::format("Pod ephemeral local storage usage exceeds the total limit of containers {}. ",
                    limit->str()),
        "ephemeralpodfs.limit");
  }
  return containerEviction(pod, stats, layout);
}

Admission admitUnderPressure(const api::Pod& pod, const node::NodePressure& pressure) {
  if (!pressure.memory && !pressure.disk && !pressure.pid) return {};
  if (isCritical(pod)) return {};
  if (!pressure.disk && !pressure.pid) {
    if (runtime::qosClass(pod.spec) != runtime::QosClass::kBestEffort) return {};
    if (toleratesMemoryPressure(pod.spec)) return {};
  }
  return {false, "Evicted",
          fmt::format("Pod was rejected: The node had condition: {}. ", pressureText(pressure))};
}

}  // namespace keelson::kubelet::eviction
