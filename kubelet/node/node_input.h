// All that the Node object is made of.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/node.h"
#include "api/quantity.h"
#include "base/ip.h"
#include "kubelet/node/machine_facts.h"
#include "kubelet/node/pressure.h"
#include "runtime/images/image.h"

namespace keelson::kubelet::node {

// A hard eviction threshold that is kept from pods: an amount, or a share of the capacity.
struct Threshold {
  api::Quantity amount;
  double share = 0;  // 0.10 is 10 %; wins over amount when above 0
};

// What configuration says of the node. Names follow KubeletConfiguration and the kubelet's flags.
struct NodeSettings {
  std::string name;
  api::StringMap labels;                 // --node-labels, checked by checkNodeLabels()
  std::vector<api::Taint> taints;        // registerWithTaints
  bool register_schedulable = true;      // --register-schedulable
  bool controller_attach_detach = true;  // enableControllerAttachDetach
  bool reset_extended_resources =
      false;                             // this node's records are gone: a device plugin's amounts start at 0
  bool external_cloud_provider = false;  // --cloud-provider=external
  std::string provider_id;               // --provider-id
  std::vector<IpAddress> node_ips;       // --node-ip as given; empty or unspecified: chosen
  int64_t max_pods = 110, pods_per_core = 0;
  int64_t max_images = 50;                                      // nodeStatusMaxImages; -1: all
  api::ResourceList kube_reserved, system_reserved;             // cpu, memory, ephemeral-storage, pid
  std::optional<Threshold> memory_available, nodefs_available;  // of evictionHard
  int32_t server_port = 0;                                      // of the kubelet's server; 0: it does not run
  std::vector<api::NodeRuntimeHandler> runtime_handlers;
  std::optional<bool> supplemental_groups_policy;
  std::vector<std::string> declared_features;
};

// Settings, facts and the state of the moment. A plain value.
struct NodeInput {
  NodeSettings settings;
  MachineFacts facts;
  std::vector<IpAddress> addresses;  // chooseNodeAddresses()
  Readiness readiness;
  NodePressure pressure;
  std::vector<std::shared_ptr<const runtime::Image>> images;
  std::vector<std::string> volumes_in_use;
};

}  // namespace keelson::kubelet::node
