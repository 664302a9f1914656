// Node: this machine as the cluster sees it.
// https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/node-v1/
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/object_meta.h"
#include "api/pod.h"

namespace keelson::api {

struct Taint {
  std::string key;
  std::string value;
  std::string effect;  // NoSchedule, PreferNoSchedule, NoExecute
  std::optional<WallTime> time_added;
  bool operator==(const Taint&) const = default;
};

struct NodeSpec {
  std::vector<std::string> pod_cidrs;  // reported as podCIDR and podCIDRs
  std::string provider_id;
  bool unschedulable = false;
  std::vector<Taint> taints;
  bool operator==(const NodeSpec&) const = default;
};

struct NodeCondition {
  std::string type;
  std::string status;  // True, False, Unknown
  std::optional<WallTime> last_heartbeat_time;
  std::optional<WallTime> last_transition_time;
  std::string reason;
  std::string message;
  bool operator==(const NodeCondition&) const = default;
};

struct NodeAddress {
  std::string type;  // InternalIP, Hostname, ...
  std::string address;
  bool operator==(const NodeAddress&) const = default;
};

struct NodeSystemInfo {
  std::string machine_id;
  std::string system_uuid;
  std::string boot_id;
  std::string kernel_version;
  std::string os_image;
  std::string container_runtime_version;
  std::string kubelet_version;
  std::string kube_proxy_version;
  std::string operating_system;
  std::string architecture;
  std::optional<int64_t> swap_capacity;  // bytes
  bool operator==(const NodeSystemInfo&) const = default;
};

struct ContainerImage {
  std::vector<std::string> names;
  int64_t size_bytes = 0;
  bool operator==(const ContainerImage&) const = default;
};

struct AttachedVolume {
  std::string name;
  std::string device_path;
  bool operator==(const AttachedVolume&) const = default;
};

struct NodeRuntimeHandler {
  std::string name;  // "" is the default handler
  std::optional<bool> recursive_read_only_mounts;
  std::optional<bool> user_namespaces;
  bool operator==(const NodeRuntimeHandler&) const = default;
};

struct NodeStatus {
  ResourceList capacity;
  ResourceList allocatable;
  std::string phase;  // long unused; kept as it was found
  std::vector<NodeCondition> conditions;
  std::vector<NodeAddress> addresses;
  int32_t kubelet_port = 0;
  NodeSystemInfo node_info;
  std::vector<ContainerImage> images;
  std::vector<std::string> volumes_in_use;
  std::vector<AttachedVolume> volumes_attached;
  std::vector<NodeRuntimeHandler> runtime_handlers;
  std::optional<bool> supplemental_groups_policy;  // features.supplementalGroupsPolicy
  std::vector<std::string> declared_features;      // sorted
  bool operator==(const NodeStatus&) const = default;
};

// A plain value, shared as const. Any thread.
struct Node {
  ObjectMeta metadata;
  NodeSpec spec;
  NodeStatus status;
  bool operator==(const Node&) const = default;
};

}  // namespace keelson::api
