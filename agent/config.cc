#include "agent/config.h"

#include "api/codec_impl.h"
#include "api/yaml.h"

namespace keelson::agent {

// Accepted without a field: every document of this kind is the proxy's, which is not there yet.
struct KubeProxyConfiguration {};

}  // namespace keelson::agent

namespace keelson::api {

template <>
struct KindOf<agent::KubeletConfiguration> {
  static constexpr const char* kApiVersion = "kubelet.config.k8s.io/v1beta1";
  static constexpr const char* kKind = "KubeletConfiguration";
};

template <>
struct Schema<agent::KubeletConfiguration> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("staticPodPath", c.static_pod_path);
    v("podLogsDir", c.pod_logs_dir);
    v("syncFrequency", c.sync_frequency);
    v("fileCheckFrequency", c.file_check_frequency);
    v("cgroupRoot", c.cgroup_root);
    v("cgroupDriver", c.cgroup_driver);
    v("cpuCFSQuota", c.cpu_cfs_quota, kAlways);
    v("cpuCFSQuotaPeriod", c.cpu_cfs_quota_period);
    v("maxPods", c.max_pods);
    v("podCIDR", c.pod_cidr);
    v("podPidsLimit", c.pod_pids_limit);
    v("resolvConf", c.resolv_conf);
    v("clusterDNS", c.cluster_dns);
    v("clusterDomain", c.cluster_domain);
    v("containerLogMaxSize", c.container_log_max_size);
    v("containerLogMaxFiles", c.container_log_max_files);
    v("seccompDefault", c.seccomp_default);
    v("singleProcessOOMKill", c.single_process_oom_kill);
    v.object("crashLoopBackOff",
             [&](auto& inner) { inner("maxContainerRestartPeriod", c.max_container_restart_period); });
    // The other fields of v1beta1: accepted, without effect until their part of the node is built.
    v.ignored({"enableServer",
               "httpCheckFrequency",
               "staticPodURL",
               "staticPodURLHeader",
               "address",
               "port",
               "readOnlyPort",
               "tlsCertFile",
               "tlsPrivateKeyFile",
               "tlsCipherSuites",
               "tlsCurvePreferences",
               "tlsMinVersion",
               "rotateCertificates",
               "serverTLSBootstrap",
               "authentication",
               "authorization",
               "registryPullQPS",
               "registryBurst",
               "imagePullCredentialsVerificationPolicy",
               "preloadedImagesVerificationAllowlist",
               "eventRecordQPS",
               "eventBurst",
               "enableDebuggingHandlers",
               "enableContentionProfiling",
               "healthzPort",
               "healthzBindAddress",
               "oomScoreAdj",
               "streamingConnectionIdleTimeout",
               "nodeStatusUpdateFrequency",
               "nodeStatusReportFrequency",
               "nodeLeaseDurationSeconds",
               "imageMinimumGCAge",
               "imageMaximumGCAge",
               "imageGCHighThresholdPercent",
               "imageGCLowThresholdPercent",
               "volumeStatsAggPeriod",
               "kubeletCgroups",
               "systemCgroups",
               "cgroupsPerQOS",
               "cpuManagerPolicy",
               "cpuManagerPolicyOptions",
               "cpuManagerReconcilePeriod",
               "memoryManagerPolicy",
               "topologyManagerPolicy",
               "topologyManagerScope",
               "topologyManagerPolicyOptions",
               "qosReserved",
               "runtimeRequestTimeout",
               "hairpinMode",
               "runOnce",
               "nodeStatusMaxImages",
               "maxOpenFiles",
               "contentType",
               "kubeAPIQPS",
               "kubeAPIBurst",
               "serializeImagePulls",
               "maxParallelImagePulls",
               "evictionHard",
               "evictionSoft",
               "evictionSoftGracePeriod",
               "evictionPressureTransitionPeriod",
               "evictionMaxPodGracePeriod",
               "evictionMinimumReclaim",
               "mergeDefaultEvictionSettings",
               "podsPerCore",
               "enableControllerAttachDetach",
               "protectKernelDefaults",
               "makeIPTablesUtilChains",
               "iptablesMasqueradeBit",
               "iptablesDropBit",
               "featureGates",
               "failSwapOn",
               "memorySwap",
               "containerLogMaxWorkers",
               "containerLogMonitorInterval",
               "configMapAndSecretChangeDetectionStrategy",
               "systemReserved",
               "kubeReserved",
               "reservedSystemCPUs",
               "showHiddenMetricsForVersion",
               "systemReservedCgroup",
               "kubeReservedCgroup",
               "enforceNodeAllocatable",
               "allowedUnsafeSysctls",
               "volumePluginDir",
               "providerID",
               "kernelMemcgNotification",
               "logging",
               "enableSystemLogHandler",
               "enableSystemLogQuery",
               "shutdownGracePeriod",
               "shutdownGracePeriodCriticalPods",
               "shutdownGracePeriodByPodPriority",
               "reservedMemory",
               "enableProfilingHandler",
               "enableDebugFlagsHandler",
               "memoryThrottlingFactor",
               "memoryReservationPolicy",
               "registerWithTaints",
               "registerNode",
               "tracing",
               "localStorageCapacityIsolation",
               "containerRuntimeEndpoint",
               "imageServiceEndpoint",
               "failCgroupV1",
               "userNamespaces"});
  }
};

template <>
struct KindOf<agent::KubeProxyConfiguration> {
  static constexpr const char* kApiVersion = "kubeproxy.config.k8s.io/v1alpha1";
  static constexpr const char* kKind = "KubeProxyConfiguration";
};

template <>
struct Schema<agent::KubeProxyConfiguration> {
  template <class V, class C>
  static void fields(V& v, C&) {
    v.ignored({"featureGates",
               "clientConnection",
               "logging",
               "hostnameOverride",
               "bindAddress",
               "healthzBindAddress",
               "metricsBindAddress",
               "bindAddressHardFail",
               "enableProfiling",
               "showHiddenMetricsForVersion",
               "mode",
               "iptables",
               "ipvs",
               "nftables",
               "winkernel",
               "detectLocalMode",
               "detectLocal",
               "clusterCIDR",
               "nodePortAddresses",
               "oomScoreAdj",
               "conntrack",
               "configSyncPeriod",
               "portRange",
               "windowsRunAsService"});
  }
};

template <>
struct Schema<agent::RegistryEntry> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("host", c.host, kAlways);
    v("mirrors", c.mirrors);
    v("plainHTTP", c.plain_http);
    v("caFile", c.ca_file);
  }
};

template <>
struct KindOf<agent::KeelsonConfiguration> {
  static constexpr const char* kApiVersion = "keelson.dev/v1alpha1";
  static constexpr const char* kKind = "KeelsonConfiguration";
};

template <>
struct Schema<agent::KeelsonConfiguration> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("runDir", c.run_dir);
    v("stateDir", c.state_dir);
    v("socket", c.socket);
    v("shim", c.shim);
    v("bridge", c.bridge);
    v("mtu", c.mtu);
    v("clusterCIDRs", c.cluster_cidrs);
    v("registries", c.registries);
    v("logLevel", c.log_level);
    v("containerLogsDir", c.container_logs_dir);
  }
};

}  // namespace keelson::api

namespace keelson::agent {
namespace {

std::string kindOf(const json::value& document) {
  const json::object* object = document.if_object();
  const json::value* kind = object ? object->if_contains("kind") : nullptr;
  return kind && kind->is_string() ? std::string(kind->get_string()) : "";
}

template <class T>
Result<void> decodeInto(const json::value& document, T& out, api::UnknownFields unknown,
                        std::vector<std::string>& warnings) {
  auto decoded = TRY(api::decode<T>(document, unknown));
  out = std::move(decoded.value);
  for (std::string& warning : decoded.warnings)
    warnings.push_back(fmt::format("{}: {}", api::KindOf<T>::kKind, warning));
  return {};
}

void checkDuration(ErrorList& errors, const char* field, const std::string& text, Duration low,
                   Duration high) {
  const auto duration = parseDuration(text);
  if (!duration || *duration < low || *duration > high)
    errors.add(makeError(Code::kInvalidArgument, "{}: expected a duration from {} to {}, got \"{}\"", field,
                         formatDuration(low), formatDuration(high), text));
}

void checkPrefixes(ErrorList& errors, const char* field, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    if (auto prefix = IpPrefix::parse(text); !prefix)
      errors.add(std::move(prefix).error().withContext(field));
  }
}

std::vector<std::string> splitList(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t from = 0; from <= text.size();) {
    const size_t comma = std::min(text.find(',', from), text.size());
    if (comma > from) parts.push_back(text.substr(from, comma - from));
    from = comma + 1;
  }
  return parts;
}

}  // namespace

Result<Config> parseConfig(std::string_view text, const std::string& name) {
  Config config;
  const auto documents = TRY_CTX(api::parseYaml(text), "{}", name);
  if (documents.empty())
    return makeError(Code::kInvalidArgument, "{}: expected configuration, the file is empty", name);
  std::map<std::string, int> seen;
  KubeProxyConfiguration proxy;
  for (const auto& document : documents) {
    const std::string kind = kindOf(document.value);
    const std::string where = fmt::format("{}: line {}", name, document.line);
    if (!seen.emplace(kind, document.line).second)
      return makeError(Code::kInvalidArgument, "{}: {} is there twice (first at line {})", where, kind,
                       seen[kind]);
    if (kind == "KubeletConfiguration") {
      TRY_CTX(decodeInto(document.value, config.kubelet, api::UnknownFields::kWarn, config.warnings), "{}",
              where);
    } else if (kind == "KubeProxyConfiguration") {
      TRY_CTX(decodeInto(document.value, proxy, api::UnknownFields::kWarn, config.warnings), "{}", where);
    } else if (kind == "KeelsonConfiguration") {
      TRY_CTX(decodeInto(document.value, config.keelson, api::UnknownFields::kRefuse, config.warnings), "{}",
              where);
    } else {
      return makeError(Code::kInvalidArgument,
                       "{}: kind: expected KubeletConfiguration, KubeProxyConfiguration or "
                       "KeelsonConfiguration, got \"{}\"",
                       where, kind);
    }
  }
  return config;
}

Result<void> validateConfig(const Config& config) {
  using std::chrono::hours;
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  ErrorList errors;
  const auto& kubelet = config.kubelet;
  const auto require = [&](bool good, const char* field, const std::string& expected) {
    if (!good) errors.add(makeError(Code::kInvalidArgument, "{}: expected {}", field, expected));
  };
  checkDuration(errors, "syncFrequency", kubelet.sync_frequency, seconds(1), hours(24));
  checkDuration(errors, "fileCheckFrequency", kubelet.file_check_frequency, milliseconds(100), hours(24));
  checkDuration(errors, "cpuCFSQuotaPeriod", kubelet.cpu_cfs_quota_period, milliseconds(1), seconds(1));
  checkDuration(errors, "crashLoopBackOff.maxContainerRestartPeriod", kubelet.max_container_restart_period,
                seconds(1), seconds(300));
  require(kubelet.max_pods >= 0, "maxPods", "a number that is not negative");
  require(kubelet.container_log_max_files >= 2, "containerLogMaxFiles", "at least 2");
  const auto log_size = api::Quantity::parse(kubelet.container_log_max_size);
  require(log_size && log_size->value() > 0, "containerLogMaxSize", "a positive quantity such as 10Mi");
  require(kubelet.cgroup_driver == "cgroupfs" || kubelet.cgroup_driver == "systemd", "cgroupDriver",
          "cgroupfs or systemd");
  require(kubelet.cgroup_root.find("..") == std::string::npos, "cgroupRoot", "a path without \"..\"");
  checkPrefixes(errors, "podCIDR", splitList(kubelet.pod_cidr));
  checkPrefixes(errors, "clusterCIDRs", config.keelson.cluster_cidrs);
  for (const std::string& server : kubelet.cluster_dns) {
    if (auto address = IpAddress::parse(server); !address)
      errors.add(std::move(address).error().withContext("clusterDNS"));
  }
  const auto& level = config.keelson.log_level;
  require(level == "debug" || level == "info" || level == "warn" || level == "error", "logLevel",
          "debug, info, warn or error");
  // Linux allows 15 bytes for the name of a link (IFNAMSIZ).
  require(!config.keelson.bridge.empty() && config.keelson.bridge.size() < 16 &&
              config.keelson.bridge.find('/') == std::string::npos,
          "bridge", "the name of a link, 1 to 15 bytes");
  require(config.keelson.mtu == 0 || (config.keelson.mtu >= 68 && config.keelson.mtu <= 65535), "mtu",
          "0, or 68 to 65535");
  for (const auto& registry : config.keelson.registries)
    require(!registry.host.empty(), "registries[].host", "a host, or host:port");
  auto result = errors.result();
  if (!result) return std::move(result).error().withContext("invalid configuration");
  return {};
}

Config mergeFlags(Config config, const Flags& flags) {
  const auto set = [](auto& to, const auto& from) {
    if (from) to = *from;
  };
  set(config.kubelet.static_pod_path, flags.static_pod_path);
  set(config.kubelet.pod_cidr, flags.pod_cidr);
  set(config.kubelet.cgroup_root, flags.cgroup_root);
  set(config.kubelet.cluster_domain, flags.cluster_domain);
  set(config.kubelet.max_pods, flags.max_pods);
  set(config.keelson.socket, flags.socket);
  set(config.keelson.run_dir, flags.run_dir);
  set(config.keelson.state_dir, flags.state_dir);
  set(config.keelson.log_level, flags.log_level);
  set(config.keelson.shim, flags.shim);
  if (!flags.cluster_dns.empty()) config.kubelet.cluster_dns = flags.cluster_dns;
  if (config.keelson.socket.empty()) config.keelson.socket = config.keelson.run_dir + "/keelson.sock";
  if (config.kubelet.pod_cidr.empty()) config.kubelet.pod_cidr = "10.244.0.0/24";
  if (config.kubelet.static_pod_path.empty()) config.kubelet.static_pod_path = "/etc/kubernetes/manifests";
  return config;
}

}  // namespace keelson::agent
