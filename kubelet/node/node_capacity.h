// What the machine has, and what of it pods may use.
#pragma once

#include <cstdint>
#include <optional>

#include "api/node.h"
#include "base/units.h"
#include "kubelet/node/node_input.h"
#include "runtime/cgroup_layout.h"

namespace keelson::kubelet::node {

// cpu, memory, pods, ephemeral-storage and hugepages-<size>.
api::ResourceList buildCapacity(const NodeInput& input);

// `capacity` less kubeReserved, systemReserved and the hard eviction thresholds, never below 0; huge pages
// are taken out of memory too. Resources of others (extended ones) pass as they are.
// https://kubernetes.io/docs/tasks/administer-cluster/reserve-compute-resources/#node-allocatable
api::ResourceList buildAllocatable(const api::ResourceList& capacity, const NodeSettings& settings);

// Limits of the kubepods cgroup: capacity less kubeReserved and systemReserved, without the eviction
// thresholds, so that eviction acts before the kernel does. `enforce`: enforceNodeAllocatable has "pods";
// without it the whole capacity is the limit, as upstream.
struct KubepodsLimits {
  Millicpu cpu;  // becomes a weight
  Bytes memory;
  std::optional<int64_t> pids;  // absent: the machine's own limit is not known
  std::map<int64_t, Bytes> hugepages;
};
enum class Enforce { kNothing, kPods };
KubepodsLimits kubepodsLimits(const NodeInput& input, Enforce enforce);

// The request of the kubepods cgroup (the first of runtime::qosCgroups()) with these limits in it.
runtime::CgroupRequest withLimits(runtime::CgroupRequest kubepods, const KubepodsLimits& limits);

bool isHugepages(const std::string& resource);
// A name outside of kubernetes.io: "example.com/gpu".
bool isExtendedResource(const std::string& resource);

}  // namespace keelson::kubelet::node
