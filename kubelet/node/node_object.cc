#include "kubelet/node/node_object.h"

#include <algorithm>

#include "kubelet/node/node_capacity.h"
#include "kubelet/node/node_conditions.h"
#include "kubelet/node/node_images.h"
#include "kubelet/node/node_labels.h"
#include "kubelet/node/version.h"

namespace keelson::kubelet::node {
namespace {

constexpr char kAttachDetach[] = "volumes.kubernetes.io/controller-managed-attach-detach";
constexpr char kProvidedIp[] = "alpha.kubernetes.io/provided-node-ip";

bool isUnspecified(const IpAddress& address) {
  return std::all_of(address.bytes.begin(), address.bytes.begin() + static_cast<ptrdiff_t>(address.size()),
                     [](uint8_t byte) { return byte == 0; });
}

bool hasNodeIp(const NodeSettings& settings) {
  return !settings.node_ips.empty() && !isUnspecified(settings.node_ips.front());
}

// An external provider's addresses win; before it came only those that --node-ip names are told.
std::vector<api::NodeAddress> buildAddresses(const NodeInput& input, const api::Node* before) {
  if (input.settings.external_cloud_provider) {
    if (before != nullptr && !before->status.addresses.empty()) return before->status.addresses;
    if (!hasNodeIp(input.settings)) return {};
  }
  std::vector<api::NodeAddress> out;
  for (const IpAddress& address : input.addresses) out.push_back({"InternalIP", address.str()});
  out.push_back({"Hostname", input.settings.name});
  return out;
}

void setProvidedIp(const NodeInput& input, api::StringMap& annotations) {
  if (!input.settings.external_cloud_provider || !hasNodeIp(input.settings)) {
    annotations.erase(kProvidedIp);
    return;
  }
  std::string text;
  for (const IpAddress& address : input.settings.node_ips) text += (text.empty() ? "" : ",") + address.str();
  annotations[kProvidedIp] = text;
}

void setAttachDetach(const NodeSettings& settings, api::StringMap& annotations) {
  if (settings.controller_attach_detach)
    annotations[kAttachDetach] = "true";
  else
    annotations.erase(kAttachDetach);
}

api::NodeSystemInfo buildSystemInfo(const MachineFacts& facts) {
  api::NodeSystemInfo info;
  info.machine_id = facts.machine_id;
  info.system_uuid = facts.system_uuid;
  info.boot_id = facts.boot_id;
  info.kernel_version = facts.kernel_version;
  info.os_image = facts.os_image;
  info.container_runtime_version = kRuntimeVersion;
  info.kubelet_version = kKubeletVersion;
  info.operating_system = "linux";
  info.architecture = facts.architecture;
  if (facts.swap) info.swap_capacity = facts.swap->value;
  return info;
}

// Ours over what others reported there; huge pages of sizes that are gone do not stay.
api::ResourceList mergedCapacity(const NodeInput& input, const api::Node* before) {
  api::ResourceList capacity = buildCapacity(input);
  if (before == nullptr) return capacity;
  for (const auto& [name, amount] : before->status.capacity)
    if (!isHugepages(name)) capacity.emplace(name, amount);
  return capacity;
}

}  // namespace

api::NodeStatus buildNodeStatus(const NodeInput& input, const api::Node* before, WallTime now) {
  const NodeSettings& settings = input.settings;
  api::NodeStatus status;
  if (before != nullptr) status = before->status;
  status.addresses = buildAddresses(input, before);
  status.capacity = mergedCapacity(input, before);
  status.allocatable = buildAllocatable(status.capacity, settings);
  status.node_info = buildSystemInfo(input.facts);
  status.kubelet_port = settings.server_port;
  status.images = buildNodeImages(input.images, settings.max_images);
  status.runtime_handlers = settings.runtime_handlers;
  status.supplemental_groups_policy = settings.supplemental_groups_policy;
  status.declared_features = settings.declared_features;
  std::sort(status.declared_features.begin(), status.declared_features.end());
  status.conditions =
      buildConditions(status.conditions, input.pressure, input.readiness, status.capacity, now);
  status.volumes_in_use = input.volumes_in_use;
  std::sort(status.volumes_in_use.begin(), status.volumes_in_use.end());
  return status;
}

api::Node buildNode(const NodeInput& input, WallTime now) {
  const NodeSettings& settings = input.settings;
  api::Node node;
  node.metadata.name = settings.name;
  node.metadata.labels = buildNodeLabels(input);
  setAttachDetach(settings, node.metadata.annotations);
  setProvidedIp(input, node.metadata.annotations);
  node.spec.provider_id = settings.provider_id;
  node.spec.unschedulable = !settings.register_schedulable;
  node.spec.taints = settings.taints;
  if (!settings.register_schedulable)
    node.spec.taints.push_back({"node.kubernetes.io/unschedulable", "", "NoSchedule", std::nullopt});
  if (settings.external_cloud_provider)
    node.spec.taints.push_back(
        {"node.cloudprovider.kubernetes.io/uninitialized", "true", "NoSchedule", std::nullopt});
  node.status = buildNodeStatus(input, nullptr, now);
  return node;
}

api::Node updateNode(const NodeInput& input, const api::Node& before, WallTime now) {
  api::Node node = before;
  node.metadata.labels["kubernetes.io/os"] = "linux";
  node.metadata.labels["kubernetes.io/arch"] = input.facts.architecture;
  setProvidedIp(input, node.metadata.annotations);
  node.status = buildNodeStatus(input, &before, now);
  return node;
}

api::Node reconcileNode(const NodeInput& input, const api::Node& existing) {
  api::Node node = existing;
  for (const auto& [key, value] : buildNodeLabels(input)) {
    if (!isDefaultLabel(key)) continue;
    if (value.empty())
      node.metadata.labels.erase(key);
    else
      node.metadata.labels[key] = value;
  }
  setAttachDetach(input.settings, node.metadata.annotations);
  if (input.settings.reset_extended_resources) {
    for (auto* list : {&node.status.capacity, &node.status.allocatable})
      for (auto& [name, amount] : *list)
        if (isExtendedResource(name)) amount = api::Quantity::of(0);
  }
  const api::ResourceList capacity = buildCapacity(input);
  const api::ResourceList allocatable = buildAllocatable(capacity, input.settings);
  const auto correct = [](api::ResourceList& list, const api::ResourceList& wanted) {
    if (list.empty()) {
      list = wanted;
      return;
    }
    std::erase_if(
        list, [&](const auto& entry) { return isHugepages(entry.first) && !wanted.contains(entry.first); });
    for (const auto& [name, amount] : wanted)
      if (isHugepages(name)) list[name] = amount;
  };
  correct(node.status.capacity, capacity);
  correct(node.status.allocatable, allocatable);
  return node;
}

bool statusChanged(const api::NodeStatus& before, const api::NodeStatus& after) {
  const auto timeless = [](api::NodeStatus status) {
    for (auto& condition : status.conditions) condition.last_heartbeat_time.reset();
    std::sort(status.conditions.begin(), status.conditions.end(),
              [](const auto& a, const auto& b) { return a.type < b.type; });
    return status;
  };
  return timeless(before) != timeless(after);
}

}  // namespace keelson::kubelet::node
