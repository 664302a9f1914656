#include "agent/options.h"

#include <algorithm>

#include "agent/reservations.h"
#include "kubelet/eviction/thresholds.h"
#include "kubelet/node/node_labels.h"
#include "kubelet/node/version.h"
#include "proxy/iptables_backend.h"
#include "proxy/nft_backend.h"

namespace keelson::agent {
namespace {

std::string trimSlashes(std::string path) {
  path.erase(0, path.find_first_not_of('/'));
  while (path.ends_with('/')) path.pop_back();
  return path;
}

Result<api::ResourceList> resources(const api::StringMap& texts) {
  api::ResourceList list;
  for (const auto& [name, amount] : TRY(parseReserved(texts))) list[name] = amount;
  return list;
}

// What a hard threshold keeps back of the node's capacity.
std::optional<kubelet::node::Threshold> reservation(
    const std::vector<kubelet::eviction::Threshold>& thresholds, kubelet::eviction::Signal signal) {
  for (const auto& threshold : thresholds) {
    if (threshold.signal != signal || !threshold.isHard()) continue;
    kubelet::node::Threshold kept;
    if (threshold.value.quantity)
      kept.amount = *threshold.value.quantity;
    else
      kept.share = static_cast<double>(threshold.value.percentage);
    return kept;
  }
  return std::nullopt;
}

}  // namespace

std::string nodeName(const Setting& setting) {
  return setting.flags.node_name.empty() ? setting.machine.host_name : setting.flags.node_name;
}

runtime::CgroupOptions cgroupOptions(const KubeletConfiguration& kubelet, kernel::CgroupMode mode) {
  runtime::CgroupOptions options;
  options.root = trimSlashes(kubelet.cgroup_root);
  options.cpu_cfs_quota = kubelet.cpu_cfs_quota;
  options.cpu_cfs_period_us =
      std::chrono::duration_cast<std::chrono::microseconds>(kubelet.cpu_cfs_quota_period).count();
  options.pod_pids_limit = kubelet.pod_pids_limit;
  options.single_process_oom_kill = kubelet.single_process_oom_kill.value_or(mode != kernel::CgroupMode::kV2);
  return options;
}

Result<kubelet::Options> kubeletOptions(const Setting& setting, const std::vector<IpAddress>& addresses) {
  const auto& from = setting.config.kubelet;
  kubelet::Options options;
  options.node_name = nodeName(setting);
  options.node_labels = setting.flags.node_labels;
  options.node_labels.emplace("kubernetes.io/hostname", options.node_name);
  options.node_labels.emplace("kubernetes.io/os", "linux");
#if defined(__x86_64__)
  options.node_labels.emplace("kubernetes.io/arch", "amd64");
#elif defined(__aarch64__)
  options.node_labels.emplace("kubernetes.io/arch", "arm64");
#endif
  options.node_ips = addresses;
  options.static_pod_path = from.static_pod_path;
  options.root_dir = setting.flags.root_dir;
  options.pod_logs_dir = from.pod_logs_dir;
  options.container_logs_dir = setting.config.keelson.container_logs_dir;
  options.resolv_conf = from.resolv_conf;
  options.cluster_dns = from.cluster_dns;
  options.cluster_domain = from.cluster_domain;
  options.file_check_frequency = from.file_check_frequency;
  options.sync_frequency = from.sync_frequency;
  options.max_container_restart_period = from.max_container_restart_period;
  options.max_pods = from.max_pods;
  options.node_memory = setting.machine.memory;
  options.node_cpu = setting.machine.cpu;
  options.seccomp_default = from.seccomp_default;
  options.seccomp_dir = setting.flags.root_dir + "/seccomp";
  options.container_log_max_size = api::Quantity::parse(from.container_log_max_size).value().value();
  options.container_log_max_files = static_cast<uint32_t>(from.container_log_max_files);
  options.wait_for_api = !setting.flags.isStandalone();
  return options;
}

runtime::RegistryOptions registryOptions(const KeelsonConfiguration& keelson) {
  runtime::RegistryOptions options;
  for (const auto& entry : keelson.registries) {
    runtime::RegistryHost& host = options.hosts[entry.host];
    host.mirrors = entry.mirrors;
    host.plain_http = entry.plain_http;
    host.ca_file = entry.ca_file;
  }
  return options;
}

Result<std::vector<IpPrefix>> parsePrefixes(const std::string& text) {
  std::vector<IpPrefix> prefixes;
  for (size_t from = 0; from < text.size();) {
    const size_t comma = std::min(text.find(',', from), text.size());
    prefixes.push_back(TRY(IpPrefix::parse(text.substr(from, comma - from))));
    from = comma + 1;
  }
  return prefixes;
}

Result<cni::BridgeNetworkOptions> bridgeOptions(const Config& config,
                                                const std::vector<IpPrefix>& pod_cidrs) {
  cni::BridgeNetworkOptions options;
  options.bridge = config.keelson.bridge;
  options.mtu = static_cast<uint32_t>(config.keelson.mtu);
  options.state_directory = config.keelson.run_dir + "/network";  // addresses do not outlive the boot
  options.pod_cidrs = pod_cidrs;
  for (const std::string& text : config.keelson.cluster_cidrs)
    options.cluster_cidrs.push_back(TRY(IpPrefix::parse(text)));
  return options;
}

DataPlanes makeDataPlanes(const KubeProxyConfiguration& from, const cni::BridgeNetworkOptions& network) {
  std::vector<IpFamily> families{IpFamily::kV4};
  const auto is_v6 = [](const IpPrefix& prefix) { return prefix.network.family == IpFamily::kV6; };
  if (std::any_of(network.cluster_cidrs.begin(), network.cluster_cidrs.end(), is_v6))
    families.push_back(IpFamily::kV6);
  std::vector<IpAddress> node_ports;
  for (const auto& text : from.node_port_addresses)
    if (const auto prefix = IpPrefix::parse(text); prefix && prefix->length != 0)
      node_ports.push_back(prefix->network);
  auto nft = std::make_unique<proxy::NftBackend>(proxy::NftSettings{.cluster_cidrs = network.cluster_cidrs,
                                                                    .node_port_addresses = node_ports,
                                                                    .masquerade_all = from.masquerade_all},
                                                 families);
  auto iptables = std::make_unique<proxy::IptablesBackend>(
      proxy::IptablesSettings{.cluster_cidrs = network.cluster_cidrs,
                              .node_port_addresses = node_ports,
                              .masquerade_all = from.masquerade_all,
                              .localhost_node_ports = from.localhost_node_ports},
      families);
  if (from.usesIptables()) return {std::move(iptables), std::move(nft)};
  return {std::move(nft), std::move(iptables)};
}

proxy::ProxySettings proxySettings(const KubeProxyConfiguration& from) {
  proxy::ProxySettings settings;
  settings.watch_nftables = !from.usesIptables();
  return settings;
}

Result<ServiceServerSettings> serviceServerSettings(const KubeProxyConfiguration& from) {
  ServiceServerSettings settings;
  settings.healthz_port.reset();
  settings.metrics_port.reset();
  if (!from.healthz_bind_address.empty()) {
    const auto address = TRY(parseBindAddress(from.healthz_bind_address));
    settings.healthz_address = TRY(IpAddress::parse(address.host));
    settings.healthz_port = address.port;
  }
  if (!from.metrics_bind_address.empty()) {
    const auto address = TRY(parseBindAddress(from.metrics_bind_address));
    settings.metrics_address = TRY(IpAddress::parse(address.host));
    settings.metrics_port = address.port;
  }
  settings.mode = from.usesIptables() ? proxy::ProxyMode::kIptables : proxy::ProxyMode::kNftables;
  return settings;
}

Result<kubelet::node::NodeSettings> nodeSettings(const Setting& setting) {
  const auto& from = setting.config.kubelet;
  kubelet::node::NodeSettings settings;
  settings.name = nodeName(setting);
  settings.labels = setting.flags.node_labels;
  TRY(kubelet::node::checkNodeLabels(settings.labels));
  settings.taints = from.register_with_taints;
  settings.controller_attach_detach = from.enable_controller_attach_detach;
  settings.external_cloud_provider = setting.flags.cloud_provider == "external";
  settings.provider_id = from.provider_id;
  for (const std::string& text : setting.flags.node_ips)
    settings.node_ips.push_back(TRY_CTX(IpAddress::parse(text), "--node-ip"));
  settings.max_pods = from.max_pods;
  settings.pods_per_core = from.pods_per_core;
  settings.max_images = from.node_status_max_images;
  settings.kube_reserved = TRY(resources(from.kube_reserved));
  settings.system_reserved = TRY(resources(from.system_reserved));
  const auto thresholds = TRY(kubelet::eviction::parseThresholds(thresholdConfig(from)));
  settings.memory_available = reservation(thresholds, kubelet::eviction::Signal::kMemoryAvailable);
  settings.nodefs_available = reservation(thresholds, kubelet::eviction::Signal::kNodefsAvailable);
  return settings;
}

kubelet::node::ReporterSettings reporterSettings(const KubeletConfiguration& kubelet) {
  kubelet::node::ReporterSettings settings;
  settings.register_node = kubelet.register_node;
  settings.update_frequency = kubelet.node_status_update_frequency;
  settings.report_frequency = kubelet.node_status_report_frequency;
  return settings;
}

kubelet::node::LeaseSettings leaseSettings(const Setting& setting) {
  kubelet::node::LeaseSettings settings;
  settings.node_name = nodeName(setting);
  settings.duration_seconds = setting.config.kubelet.node_lease_duration_seconds;
  settings.renew_every = std::chrono::milliseconds(int64_t{250} * settings.duration_seconds);
  return settings;
}

Result<std::vector<kubelet::node::ShutdownPeriod>> shutdownPeriodsOf(const KubeletConfiguration& kubelet) {
  kubelet::node::ShutdownSettings settings;
  settings.grace_period = kubelet.shutdown_grace_period;
  settings.critical_grace_period = kubelet.shutdown_grace_period_critical_pods;
  for (const auto& entry : kubelet.shutdown_grace_period_by_pod_priority)
    settings.by_priority.push_back(
        {entry.priority, std::chrono::seconds(entry.shutdown_grace_period_seconds)});
  return kubelet::node::shutdownPeriods(settings);
}

Result<kubelet::eviction::EvictionOptions> evictionOptions(const Setting& setting,
                                                           const runtime::CgroupOptions& cgroups) {
  const auto& from = setting.config.kubelet;
  kubelet::eviction::EvictionOptions options;
  options.policy.thresholds = TRY(kubelet::eviction::parseThresholds(thresholdConfig(from)));
  options.policy.pressure_transition_period = from.eviction_pressure_transition_period;
  options.policy.max_pod_grace_seconds = from.eviction_max_pod_grace_period;
  options.policy.local_storage_isolation = from.local_storage_capacity_isolation;
  options.policy.paths = {cgroups, setting.flags.root_dir, from.pod_logs_dir,
                          setting.config.keelson.state_dir};
  return options;
}

kubelet::certificates::BootstrapOptions bootstrapOptions(const Setting& setting) {
  kubelet::certificates::BootstrapOptions options;
  options.kubeconfig = setting.flags.kubeconfig;
  options.bootstrap_kubeconfig = setting.flags.bootstrap_kubeconfig;
  options.cert_dir = setting.flags.cert_dir;
  options.node_name = nodeName(setting);
  options.rotate = setting.config.kubelet.rotate_certificates;
  return options;
}

api::client::ClientSettings clientSettings(const KubeletConfiguration& kubelet,
                                           const api::client::Connection& connection) {
  api::client::ClientSettings settings;
  settings.connection = connection;
  settings.user_agent = fmt::format("keelson/{} (linux)", kubelet::node::kKubeletVersion);
  settings.queries_per_second = kubelet.kube_api_qps;
  settings.burst = kubelet.kube_api_burst;
  return settings;
}

api::client::FollowSettings followSettings(const KeelsonConfiguration& keelson) {
  api::client::FollowSettings settings;
  settings.poll_interval = keelson.watchFallbackPollInterval();
  return settings;
}

}  // namespace keelson::agent
