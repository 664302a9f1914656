#include "api/node.h"

#include "api/codec_impl.h"
#include "api/meta_schema.h"
#include "api/pod_schema.h"
#include "api/taint_schema.h"

namespace keelson::api {

template <>
struct Schema<NodeSpec> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v.first("podCIDR", c.pod_cidrs);
    v("podCIDRs", c.pod_cidrs);
    v("providerID", c.provider_id);
    v("unschedulable", c.unschedulable);
    v("taints", c.taints);
    v.ignored({"configSource", "externalID"});
  }
};

template <>
struct Schema<NodeCondition> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("type", c.type, kAlways);
    v("status", c.status, kAlways);
    v("lastHeartbeatTime", c.last_heartbeat_time, kAlways);
    v("lastTransitionTime", c.last_transition_time, kAlways);
    v("reason", c.reason);
    v("message", c.message);
  }
};

template <>
struct Schema<NodeAddress> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("type", c.type, kAlways);
    v("address", c.address, kAlways);
  }
};

template <>
struct Schema<NodeSystemInfo> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("machineID", c.machine_id, kAlways);
    v("systemUUID", c.system_uuid, kAlways);
    v("bootID", c.boot_id, kAlways);
    v("kernelVersion", c.kernel_version, kAlways);
    v("osImage", c.os_image, kAlways);
    v("containerRuntimeVersion", c.container_runtime_version, kAlways);
    v("kubeletVersion", c.kubelet_version, kAlways);
    v("kubeProxyVersion", c.kube_proxy_version, kAlways);
    v("operatingSystem", c.operating_system, kAlways);
    v("architecture", c.architecture, kAlways);
    v.object("swap", [&](V& swap) { swap("capacity", c.swap_capacity); });
  }
};

template <>
struct Schema<ContainerImage> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("names", c.names);
    v("sizeBytes", c.size_bytes);
  }
};

template <>
struct Schema<AttachedVolume> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("name", c.name, kAlways);
    v("devicePath", c.device_path, kAlways);
  }
};

template <>
struct Schema<NodeRuntimeHandler> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("name", c.name, kAlways);
    v.object("features", [&](V& features) {
      features("recursiveReadOnlyMounts", c.recursive_read_only_mounts);
      features("userNamespaces", c.user_namespaces);
    });
  }
};

template <>
struct Schema<NodeStatus> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("capacity", c.capacity);
    v("allocatable", c.allocatable);
    v("phase", c.phase);
    v("conditions", c.conditions);
    v("addresses", c.addresses);
    v.object("daemonEndpoints", [&](V& endpoints) {
      endpoints.object("kubeletEndpoint", [&](V& kubelet) { kubelet("Port", c.kubelet_port, kAlways); });
    });
    v("nodeInfo", c.node_info);
    v("images", c.images);
    v("volumesInUse", c.volumes_in_use);
    v("volumesAttached", c.volumes_attached);
    v("runtimeHandlers", c.runtime_handlers);
    v.object("features",
             [&](V& features) { features("supplementalGroupsPolicy", c.supplemental_groups_policy); });
    v("declaredFeatures", c.declared_features);
    v.ignored({"config"});
  }
};

template <>
struct KindOf<Node> {
  static constexpr std::string_view kApiVersion = "v1";
  static constexpr std::string_view kKind = "Node";
};

template <>
struct Schema<Node> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("metadata", c.metadata);
    v("spec", c.spec);
    v("status", c.status);
  }
};

KEELSON_API_INSTANTIATE(Node);

}  // namespace keelson::api
