// The variables of a container as Kubernetes resolves them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "api/pod.h"
#include "base/result.h"
#include "base/units.h"

namespace keelson::kubelet {

// What the downward API may tell about pod and node at the time of a container's start.
struct DownwardFacts {
  std::vector<std::string> host_ips;
  std::vector<std::string> pod_ips;
  Millicpu node_cpu;  // stand in for limits that are not set
  Bytes node_memory;
};

using Env = std::vector<std::pair<std::string, std::string>>;

// env in order, each value expanded with those before it. Errors are the words of CreateContainerConfigError;
// sources that this node does not serve are named (kUnsupported). Pure.
Result<Env> resolveEnv(const api::Pod& pod, const api::Container& container, const DownwardFacts& facts);

// One field of the downward API ("metadata.labels['app']", "status.podIP"). kInvalidArgument if unknown.
Result<std::string> downwardField(const api::Pod& pod, const std::string& path, const DownwardFacts& facts);
// limits.cpu and friends in units of the divisor, rounded up.
Result<std::string> downwardResource(const api::Pod& pod, const api::Container& container,
                                     const api::ResourceFieldSelector& field, const DownwardFacts& facts);

}  // namespace keelson::kubelet
