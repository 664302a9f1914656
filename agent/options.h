// From the configuration to what each part is told. All pure but for what is read of the machine before.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/flags.h"
#include "agent/node_info.h"
#include "agent/services.h"
#include "api/client/http_api_client.h"
#include "api/client/informer.h"
#include "cni/bridge_network.h"
#include "kernel/cgroup.h"
#include "kubelet/certificates/client_bootstrap.h"
#include "kubelet/eviction/eviction_manager.h"
#include "kubelet/kubelet.h"
#include "kubelet/node/node_lease.h"
#include "kubelet/node/node_reporter.h"
#include "kubelet/node/shutdown_plan.h"
#include "proxy/data_plane.h"
#include "proxy/proxy.h"
#include "runtime/images/registry.h"

namespace keelson::agent {

// What was given and what was found.
struct Setting {
  const Config& config;
  const Flags& flags;
  const NodeInfo& machine;
};

std::string nodeName(const Setting& setting);

runtime::CgroupOptions cgroupOptions(const KubeletConfiguration& kubelet, kernel::CgroupMode mode);
Result<kubelet::Options> kubeletOptions(const Setting& setting, const std::vector<IpAddress>& addresses);
runtime::RegistryOptions registryOptions(const KeelsonConfiguration& keelson);
Result<cni::BridgeNetworkOptions> bridgeOptions(const Config& config, const std::vector<IpPrefix>& pod_cidrs);
// What programs the services, for the families that pods may have; and the planes of the other modes, whose
// leftovers go.
struct DataPlanes {
  std::unique_ptr<proxy::DataPlane> used, unused;
};
DataPlanes makeDataPlanes(const KubeProxyConfiguration& from, const cni::BridgeNetworkOptions& network);
proxy::ProxySettings proxySettings(const KubeProxyConfiguration& from);
Result<ServiceServerSettings> serviceServerSettings(const KubeProxyConfiguration& from);

// "10.244.0.0/24,fd00::/64"; "" is none.
Result<std::vector<IpPrefix>> parsePrefixes(const std::string& text);

Result<kubelet::node::NodeSettings> nodeSettings(const Setting& setting);
kubelet::node::ReporterSettings reporterSettings(const KubeletConfiguration& kubelet);
kubelet::node::LeaseSettings leaseSettings(const Setting& setting);
Result<std::vector<kubelet::node::ShutdownPeriod>> shutdownPeriodsOf(const KubeletConfiguration& kubelet);
Result<kubelet::eviction::EvictionOptions> evictionOptions(const Setting& setting,
                                                           const runtime::CgroupOptions& cgroups);

kubelet::certificates::BootstrapOptions bootstrapOptions(const Setting& setting);
api::client::ClientSettings clientSettings(const KubeletConfiguration& kubelet,
                                           const api::client::Connection& connection);
api::client::FollowSettings followSettings(const KeelsonConfiguration& keelson);

}  // namespace keelson::agent
