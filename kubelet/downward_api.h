// What the downward API tells containers about their pod and node.
#pragma once

#include <string>
#include <vector>

#include "api/pod.h"
#include "base/result.h"
#include "base/units.h"

namespace keelson::kubelet {

// What may be told besides the pod itself, at the time of asking.
struct DownwardFacts {
  std::vector<std::string> host_ips;
  std::vector<std::string> pod_ips;
  Millicpu node_cpu;  // stand in for limits that are not set
  Bytes node_memory;
};

// One field ("metadata.labels['app']", "status.podIP"). metadata.labels and metadata.annotations as a whole
// are a line a key: key="value". kInvalidArgument if unknown. Pure.
Result<std::string> downwardField(const api::Pod& pod, const std::string& path, const DownwardFacts& facts);

// limits.cpu and friends of the container (or of the one that `field` names) in units of the divisor, rounded
// up. Pure.
Result<std::string> downwardResource(const api::Pod& pod, const api::Container& container,
                                     const api::ResourceFieldSelector& field, const DownwardFacts& facts);

// key="value" lines, sorted, values quoted as Go's %q does, no newline at the end. Pure.
std::string renderStringMap(const api::StringMap& map);

}  // namespace keelson::kubelet
