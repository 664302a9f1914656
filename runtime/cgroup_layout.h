// Which cgroup a pod or container gets, and what is written into it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/pod.h"
#include "base/ids.h"
#include "base/units.h"

namespace keelson::runtime {

enum class QosClass { kGuaranteed, kBurstable, kBestEffort };

// https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/
QosClass qosClass(const api::PodSpec& spec);
const char* qosName(QosClass qos);

// The kubepods tree, below the configured root (KubeletConfiguration.cgroupRoot):
//
//   <root>/kubepods/                     Guaranteed pods directly below
//   <root>/kubepods/burstable/pod<uid>/<container id>/exec-<n>
//   <root>/kubepods/besteffort/pod<uid>/...
//   <root>/keelson/shim/<uid>            the pod's shim and log writer, outside of the pod's limits
struct CgroupRequest {
  std::string path;                     // relative to the hierarchy's root, no leading slash
  int64_t cpu_shares = 2;               // v1 cpu.shares; mapped to cpu.weight on v2
  bool container_weight = false;        // v2: the runtimes' quadratic map instead of kubelet's linear one
  std::optional<int64_t> cpu_quota_us;  // of cpu_period_us; absent: no limit
  int64_t cpu_period_us = 100000;
  std::optional<Bytes> memory_limit;
  std::optional<int64_t> pids_limit;
  bool oom_group = false;  // v2 memory.oom.group
};

struct CgroupOptions {
  std::string root;  // cgroupRoot without slashes at its ends; "" is the top
  bool cpu_cfs_quota = true;
  int64_t cpu_cfs_period_us = 100000;
  int64_t pod_pids_limit = -1;
  bool single_process_oom_kill = false;
};

std::string podCgroupPath(const CgroupOptions& options, const PodUid& uid, QosClass qos);
// The pod's path in every QoS class: where tear-down looks without knowing the pod.
std::vector<std::string> podCgroupPaths(const CgroupOptions& options, const PodUid& uid);
// The folder of the class: <root>/kubepods for Guaranteed.
std::string qosCgroupPath(const CgroupOptions& options, QosClass qos);
std::string shimsCgroupPath(const CgroupOptions& options);
std::string shimCgroupPath(const CgroupOptions& options, const PodUid& uid);

// kubepods with the weight of the node's cores, and the class cgroups: burstable weighs the sum of its pods'
// CPU requests, besteffort as little as possible. Parents first. RES-06.
std::vector<CgroupRequest> qosCgroups(const CgroupOptions& options, const std::vector<api::PodPtr>& pods,
                                      Millicpu node_cpu);
CgroupRequest podCgroup(const CgroupOptions& options, const api::Pod& pod);
CgroupRequest containerCgroup(const CgroupOptions& options, const api::Pod& pod,
                              const api::Container& container, const ContainerId& id);

// BEHAVIOUR.md RES-07: Guaranteed -997, BestEffort 1000, Burstable by its share of the node's memory.
int oomScoreAdj(const api::Pod& pod, const api::Container& container, Bytes node_memory);

}  // namespace keelson::runtime
