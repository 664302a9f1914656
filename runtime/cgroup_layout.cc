#include "runtime/cgroup_layout.h"

#include <algorithm>
#include <limits>

namespace keelson::runtime {
namespace {

// Constants of pkg/kubelet/cm/helpers_linux.go.
constexpr int64_t kMinShares = 2;
constexpr int64_t kMaxShares = 262144;
constexpr int64_t kSharesPerCpu = 1024;
constexpr int64_t kMilliPerCpu = 1000;
constexpr int64_t kMinQuotaUs = 1000;

// Constants of pkg/kubelet/qos/policy.go.
constexpr int kGuaranteedOomScore = -997;
constexpr int kBestEffortOomScore = 1000;
constexpr int32_t kSystemCriticalPriority = 2'000'000'000;

int64_t saturatingAdd(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<int64_t>::max() : sum;
}

int64_t sharesOf(int64_t milli) {
  const __int128 shares = static_cast<__int128>(milli) * kSharesPerCpu / kMilliPerCpu;
  return static_cast<int64_t>(std::clamp<__int128>(shares, kMinShares, kMaxShares));
}

int64_t quotaOf(int64_t milli, int64_t period_us) {
  const __int128 quota = static_cast<__int128>(milli) * period_us / kMilliPerCpu;
  return static_cast<int64_t>(std::clamp<__int128>(quota, kMinQuotaUs, std::numeric_limits<int64_t>::max()));
}

// What QoS, shares and limits are computed from: thousandths of cores, bytes.
struct Amounts {
  int64_t cpu = 0;
  int64_t memory = 0;

  Amounts plus(const Amounts& other) const {
    return {saturatingAdd(cpu, other.cpu), saturatingAdd(memory, other.memory)};
  }
  Amounts atLeast(const Amounts& other) const {
    return {std::max(cpu, other.cpu), std::max(memory, other.memory)};
  }
};

Amounts amountsOf(const api::ResourceList& list) {
  Amounts amounts;
  if (const auto cpu = list.find("cpu"); cpu != list.end()) amounts.cpu = cpu->second.milliValue();
  if (const auto memory = list.find("memory"); memory != list.end()) amounts.memory = memory->second.value();
  return amounts;
}

// A request that is not given is the limit: the API server's default for containers.
Amounts requestsOf(const api::ResourceRequirements& resources) {
  const Amounts limits = amountsOf(resources.limits);
  Amounts requests = amountsOf(resources.requests);
  if (!resources.requests.count("cpu")) requests.cpu = limits.cpu;
  if (!resources.requests.count("memory")) requests.memory = limits.memory;
  return requests;
}
Amounts limitsOf(const api::ResourceRequirements& resources) { return amountsOf(resources.limits); }

bool isSidecar(const api::Container& container) { return container.restart_policy == "Always"; }

// The pod's need at its highest: app containers with all sidecars, or an init container with the
// sidecars started before it. https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
template <class Of>
Amounts aggregate(const api::PodSpec& spec, Of of) {
  Amounts total;
  for (const auto& container : spec.containers) total = total.plus(of(container.resources));
  Amounts sidecars, peak;
  for (const auto& container : spec.init_containers) {
    const Amounts own = of(container.resources);
    if (isSidecar(container)) {
      total = total.plus(own);
      sidecars = sidecars.plus(own);
      peak = peak.atLeast(sidecars);
    } else {
      peak = peak.atLeast(own.plus(sidecars));
    }
  }
  return total.atLeast(peak);
}

bool hasPodLevel(const api::PodSpec& spec) {
  return spec.resources && !(spec.resources->limits.empty() && spec.resources->requests.empty());
}

// What the pod-level stanza asks for; a request that it leaves out is the containers' sum, else its limit.
Amounts podLevelRequests(const api::PodSpec& spec) {
  const Amounts sum = aggregate(spec, requestsOf);
  const Amounts limits = amountsOf(spec.resources->limits);
  Amounts requests = amountsOf(spec.resources->requests);
  if (!spec.resources->requests.count("cpu")) requests.cpu = sum.cpu > 0 ? sum.cpu : limits.cpu;
  if (!spec.resources->requests.count("memory"))
    requests.memory = sum.memory > 0 ? sum.memory : limits.memory;
  return requests;
}

Amounts podRequests(const api::PodSpec& spec) {
  const Amounts requests = hasPodLevel(spec) ? podLevelRequests(spec) : aggregate(spec, requestsOf);
  return requests.plus(amountsOf(spec.overhead));
}

// Limits of the pod's cgroup: 0 where there is none, because some container has none.
Amounts podLimits(const api::PodSpec& spec) {
  Amounts limits = aggregate(spec, limitsOf);
  const auto undeclare = [&](const api::Container& container) {
    const Amounts own = limitsOf(container.resources);
    if (own.cpu == 0) limits.cpu = 0;
    if (own.memory == 0) limits.memory = 0;
  };
  for (const auto& container : spec.containers) undeclare(container);
  for (const auto& container : spec.init_containers) undeclare(container);
  if (hasPodLevel(spec)) {
    const Amounts own = amountsOf(spec.resources->limits);
    if (own.cpu > 0) limits.cpu = own.cpu;
    if (own.memory > 0) limits.memory = own.memory;
  }
  const Amounts overhead = amountsOf(spec.overhead);  // added to limits that exist only
  if (limits.cpu > 0) limits.cpu = saturatingAdd(limits.cpu, overhead.cpu);
  if (limits.memory > 0) limits.memory = saturatingAdd(limits.memory, overhead.memory);
  return limits;
}

// types.IsNodeCriticalPod: the class counts only for pods that may have it.
bool isNodeCritical(const api::Pod& pod) {
  if (pod.spec.priority_class_name != "system-node-critical") return false;
  const auto source = pod.metadata.annotations.find("kubernetes.io/config.source");
  const bool is_static = source != pod.metadata.annotations.end() && source->second != "api";
  return is_static || pod.metadata.annotations.count("kubernetes.io/config.mirror") > 0 ||
         pod.spec.priority.value_or(0) >= kSystemCriticalPriority;
}

int oomScoreOf(__int128 request, Bytes node_memory) {
  const __int128 capacity = std::max<int64_t>(node_memory.value, 1);
  const __int128 score = 1000 - 1000 * request / capacity;
  return static_cast<int>(std::clamp<__int128>(score, -1000, 1000));
}

// getRemainingMemory: what the pod-level request has beyond its containers, in equal parts.
int64_t remainingRequestPerContainer(const api::PodSpec& spec) {
  const int64_t sum = aggregate(spec, requestsOf).memory;
  const int64_t all = podLevelRequests(spec).memory;
  if (all <= sum || spec.containers.empty()) return 0;
  int64_t count = static_cast<int64_t>(spec.containers.size());
  for (const auto& container : spec.init_containers) count += isSidecar(container) ? 1 : 0;
  return (all - sum) / count;
}

std::string below(const std::string& parent, const std::string& name) {
  return parent.empty() ? name : parent + "/" + name;
}

}  // namespace

QosClass qosClass(const api::PodSpec& spec) {
  Amounts requests, limits;
  bool all_limited = true;
  const auto count = [&](const Amounts& requested, const Amounts& limited) {
    requests = requests.plus(requested);
    limits = limits.plus(limited);
    if (limited.cpu <= 0 || limited.memory <= 0) all_limited = false;
  };
  if (hasPodLevel(spec)) {
    count(podLevelRequests(spec), amountsOf(spec.resources->limits));
  } else {
    // Ephemeral containers do not count: they have no resources.
    for (const auto& container : spec.containers)
      count(requestsOf(container.resources), limitsOf(container.resources));
    for (const auto& container : spec.init_containers) {
      count(requestsOf(container.resources), limitsOf(container.resources));
    }
  }
  if (requests.cpu == 0 && requests.memory == 0 && limits.cpu == 0 && limits.memory == 0) {
    return QosClass::kBestEffort;
  }
  const bool equal = requests.cpu == limits.cpu && requests.memory == limits.memory;
  return all_limited && equal ? QosClass::kGuaranteed : QosClass::kBurstable;
}

const char* qosName(QosClass qos) {
  switch (qos) {
    case QosClass::kGuaranteed:
      return "Guaranteed";
    case QosClass::kBurstable:
      return "Burstable";
    case QosClass::kBestEffort:
      return "BestEffort";
  }
  return "";
}

std::string qosCgroupPath(const CgroupOptions& options, QosClass qos) {
  const std::string kubepods = below(options.root, "kubepods");
  switch (qos) {
    case QosClass::kGuaranteed:
      return kubepods;
    case QosClass::kBurstable:
      return below(kubepods, "burstable");
    case QosClass::kBestEffort:
      return below(kubepods, "besteffort");
  }
  return kubepods;
}

std::string podCgroupPath(const CgroupOptions& options, const PodUid& uid, QosClass qos) {
  return below(qosCgroupPath(options, qos), "pod" + uid.str());
}

std::vector<std::string> podCgroupPaths(const CgroupOptions& options, const PodUid& uid) {
  return {podCgroupPath(options, uid, QosClass::kGuaranteed),
          podCgroupPath(options, uid, QosClass::kBurstable),
          podCgroupPath(options, uid, QosClass::kBestEffort)};
}

std::string shimsCgroupPath(const CgroupOptions& options) { return below(options.root, "keelson/shim"); }

std::string shimCgroupPath(const CgroupOptions& options, const PodUid& uid) {
  return below(shimsCgroupPath(options), uid.str());
}

std::vector<CgroupRequest> qosCgroups(const CgroupOptions& options, const std::vector<api::PodPtr>& pods,
                                      Millicpu node_cpu) {
  int64_t burstable_cpu = 0;
  for (const auto& pod : pods) {
    if (qosClass(pod->spec) != QosClass::kBurstable) continue;
    burstable_cpu = saturatingAdd(burstable_cpu, podRequests(pod->spec).cpu);
  }
  std::vector<CgroupRequest> requests(3);
  requests[0].path = qosCgroupPath(options, QosClass::kGuaranteed);
  requests[0].cpu_shares = sharesOf(node_cpu.value);
  requests[1].path = qosCgroupPath(options, QosClass::kBurstable);
  requests[1].cpu_shares = sharesOf(burstable_cpu);
  requests[2].path = qosCgroupPath(options, QosClass::kBestEffort);
  requests[2].cpu_shares = kMinShares;
  return requests;
}

CgroupRequest podCgroup(const CgroupOptions& options, const api::Pod& pod) {
  const QosClass qos = qosClass(pod.spec);
  CgroupRequest request;
  request.path = podCgroupPath(options, PodUid(pod.metadata.uid), qos);
  request.cpu_period_us = options.cpu_cfs_period_us;
  if (options.pod_pids_limit > 0) request.pids_limit = options.pod_pids_limit;
  if (qos == QosClass::kBestEffort) return request;
  request.cpu_shares = sharesOf(podRequests(pod.spec).cpu);
  const Amounts limits = podLimits(pod.spec);
  if (options.cpu_cfs_quota && limits.cpu > 0) {
    request.cpu_quota_us = quotaOf(limits.cpu, options.cpu_cfs_period_us);
  }
  if (limits.memory > 0) request.memory_limit = Bytes{limits.memory};
  return request;
}

CgroupRequest containerCgroup(const CgroupOptions& options, const api::Pod& pod,
                              const api::Container& container, const ContainerId& id) {
  const auto& resources = container.resources;
  Amounts limits = amountsOf(resources.limits);
  if (hasPodLevel(pod.spec)) {  // a container without a limit takes the pod's, RES-12
    const Amounts pod_limits = amountsOf(pod.spec.resources->limits);
    if (limits.cpu == 0) limits.cpu = pod_limits.cpu;
    if (limits.memory == 0) limits.memory = pod_limits.memory;
  }
  CgroupRequest request;
  request.path = below(podCgroupPath(options, PodUid(pod.metadata.uid), qosClass(pod.spec)), id.str());
  request.cpu_shares =
      sharesOf(resources.requests.count("cpu") ? amountsOf(resources.requests).cpu : limits.cpu);
  request.container_weight = true;
  request.cpu_period_us = options.cpu_cfs_period_us;
  if (options.cpu_cfs_quota && limits.cpu > 0) {
    request.cpu_quota_us = quotaOf(limits.cpu, options.cpu_cfs_period_us);
  }
  if (limits.memory > 0) request.memory_limit = Bytes{limits.memory};
  request.oom_group = !options.single_process_oom_kill;
  return request;
}

int oomScoreAdj(const api::Pod& pod, const api::Container& container, Bytes node_memory) {
  if (isNodeCritical(pod)) return kGuaranteedOomScore;
  switch (qosClass(pod.spec)) {
    case QosClass::kGuaranteed:
      return kGuaranteedOomScore;
    case QosClass::kBestEffort:
      return kBestEffortOomScore;
    case QosClass::kBurstable:
      break;
  }
  int64_t request = requestsOf(container.resources).memory;
  if (hasPodLevel(pod.spec)) request = saturatingAdd(request, remainingRequestPerContainer(pod.spec));
  int score = oomScoreOf(request, node_memory);
  if (isSidecar(container) && !pod.spec.containers.empty()) {
    int64_t least = std::numeric_limits<int64_t>::max();
    for (const auto& app : pod.spec.containers) least = std::min(least, requestsOf(app.resources).memory);
    score = std::min(score, oomScoreOf(least, node_memory));
  }
  // Worse than any Guaranteed container, better than any BestEffort one.
  return std::clamp(score, 1000 + kGuaranteedOomScore, kBestEffortOomScore - 1);
}

}  // namespace keelson::runtime
