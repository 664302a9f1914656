// Upstream's ValidateKubeletConfiguration: the same rules in the same words.
#include <algorithm>
#include <set>

#include "agent/feature_gates.h"
#include "agent/kubelet_configuration.h"
#include "agent/reservations.h"
#include "api/quantity.h"
#include "base/ip.h"

namespace keelson::agent {
namespace {

// Collects findings; each is one sentence about one field.
class Findings {
 public:
  explicit Findings(ErrorList& errors) : errors_(errors) {}

  template <class... Args>
  void refuseIf(bool wrong, fmt::format_string<Args...> format, Args&&... args) {
    if (wrong) errors_.add(makeError(Code::kInvalidArgument, format, std::forward<Args>(args)...));
  }
  void notNegative(int64_t value, const char* field) {
    refuseIf(value < 0, "{} {} must not be a negative number", field, value);
  }
  void inRange(int64_t value, int64_t low, int64_t high, const char* field) {
    refuseIf(value < low || value > high, "{} {} must be between {} and {}, inclusive", field, value, low,
             high);
  }
  void oneOf(const std::string& value, std::initializer_list<const char*> allowed, const char* field) {
    if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return;
    refuseIf(true, "{} \"{}\" must be one of: {}", field, value, fmt::join(allowed, ", "));
  }
  template <class T>
  void parses(const Result<T>& result, const char* field) {
    if (!result) refuseIf(true, "{}: {}", field, result.error().text);
  }

 private:
  ErrorList& errors_;
};

void checkNumbers(const KubeletConfiguration& c, Findings& f) {
  f.refuseIf(c.node_lease_duration_seconds <= 0, "nodeLeaseDurationSeconds must be greater than 0");
  f.notNegative(c.event_burst, "eventBurst (--event-burst)");
  f.notNegative(c.event_record_qps, "eventRecordQPS (--event-qps)");
  f.notNegative(c.kube_api_burst, "kubeAPIBurst (--kube-api-burst)");
  f.notNegative(c.kube_api_qps, "kubeAPIQPS (--kube-api-qps)");
  f.notNegative(c.max_open_files, "maxOpenFiles (--max-open-files)");
  f.notNegative(c.max_pods, "maxPods (--max-pods)");
  f.notNegative(c.pods_per_core, "podsPerCore (--pods-per-core)");
  f.notNegative(c.registry_burst, "registryBurst (--registry-burst)");
  f.notNegative(c.registry_pull_qps, "registryPullQPS (--registry-qps)");
  f.notNegative(c.eviction_max_pod_grace_period,
                "evictionMaxPodGracePeriod (--eviction-max-pod-grace-period)");
  if (c.healthz_port != 0) f.inRange(c.healthz_port, 1, 65535, "healthzPort (--healthz-port)");
  f.inRange(c.port, 1, 65535, "port (--port)");
  f.inRange(c.read_only_port, 0, 65535, "readOnlyPort (--read-only-port)");
  f.inRange(c.iptables_drop_bit, 0, 31, "iptablesDropBit (--iptables-drop-bit)");
  f.inRange(c.iptables_masquerade_bit, 0, 31, "iptablesMasqueradeBit (--iptables-masquerade-bit)");
  f.inRange(c.oom_score_adj, -1000, 1000, "oomScoreAdj (--oom-score-adj)");
  f.refuseIf(c.node_status_max_images < -1,
             "nodeStatusMaxImages (--node-status-max-images) {} must be -1 or greater",
             c.node_status_max_images);
  f.refuseIf(c.pod_pids_limit == 0 || c.pod_pids_limit < -1,
             "podPidsLimit (--pod-max-pids) {} must be -1 or positive", c.pod_pids_limit);
  f.refuseIf(c.memory_throttling_factor <= 0 || c.memory_throttling_factor > 1,
             "memoryThrottlingFactor {} must be greater than 0 and less than or equal to 1.0",
             c.memory_throttling_factor);
}

void checkImages(const KubeletConfiguration& c, Findings& f) {
  const int32_t high = c.image_gc_high_threshold_percent, low = c.image_gc_low_threshold_percent;
  f.inRange(high, 0, 100, "imageGCHighThresholdPercent (--image-gc-high-threshold)");
  f.inRange(low, 0, 100, "imageGCLowThresholdPercent (--image-gc-low-threshold)");
  f.refuseIf(low >= high,
             "imageGCLowThresholdPercent (--image-gc-low-threshold) {} must be less than "
             "imageGCHighThresholdPercent "
             "(--image-gc-high-threshold) {}",
             low, high);
  f.refuseIf(c.image_minimum_gc_age < Duration{0}, "imageMinimumGCAge {} must not be negative",
             formatDuration(c.image_minimum_gc_age));
  f.refuseIf(c.image_maximum_gc_age < Duration{0}, "imageMaximumGCAge {} must not be negative",
             formatDuration(c.image_maximum_gc_age));
  f.refuseIf(c.image_maximum_gc_age > Duration{0} && c.image_maximum_gc_age <= c.image_minimum_gc_age,
             "imageMaximumGCAge {} must be greater than imageMinimumGCAge {}",
             formatDuration(c.image_maximum_gc_age), formatDuration(c.image_minimum_gc_age));
  f.refuseIf(c.max_parallel_image_pulls && *c.max_parallel_image_pulls < 1,
             "maxParallelImagePulls {} must be a positive number", c.max_parallel_image_pulls.value_or(0));
  f.refuseIf(
      c.serializesImagePulls() && c.max_parallel_image_pulls.value_or(1) > 1,
      "maxParallelImagePulls cannot be larger than 1 unless SerializeImagePulls (--serialize-image-pulls) is "
      "set to false");
}

void checkTimes(const KubeletConfiguration& c, Findings& f) {
  using std::chrono::seconds;
  const auto positive = [&](Duration value, const char* field) {
    f.refuseIf(value <= Duration{0}, "{} {} must be greater than zero", field, formatDuration(value));
  };
  // A loop without a pause would be the whole machine's: upstream has no lower limits here.
  f.refuseIf(c.sync_frequency < seconds(1), "syncFrequency {} must be at least 1s",
             formatDuration(c.sync_frequency));
  f.refuseIf(c.file_check_frequency < std::chrono::milliseconds(100),
             "fileCheckFrequency {} must be at least 100ms", formatDuration(c.file_check_frequency));
  positive(c.node_status_update_frequency, "nodeStatusUpdateFrequency");
  positive(c.node_status_report_frequency, "nodeStatusReportFrequency");
  f.refuseIf(c.cpu_cfs_quota_period < std::chrono::milliseconds(1) || c.cpu_cfs_quota_period > seconds(1),
             "cpuCFSQuotaPeriod (--cpu-cfs-quota-period) {} must be between 1ms and 1sec, inclusive",
             formatDuration(c.cpu_cfs_quota_period));
  f.refuseIf(c.max_container_restart_period < seconds(1) || c.max_container_restart_period > seconds(300),
             "CrashLoopBackOff.MaxContainerRestartPeriod (got: {} seconds) must be set between 1s and 300s",
             std::chrono::duration<double>(c.max_container_restart_period).count());
  f.refuseIf(c.container_log_monitor_interval < seconds(3),
             "containerLogMonitorInterval must be a positive time duration greater than or equal to 3s");
  const Duration all = c.shutdown_grace_period, critical = c.shutdown_grace_period_critical_pods;
  f.refuseIf(critical > all, "shutdownGracePeriodCriticalPods {} must be <= shutdownGracePeriod {}",
             formatDuration(critical), formatDuration(all));
  for (const auto& [value, field] :
       {std::pair{all, "shutdownGracePeriod"}, {critical, "shutdownGracePeriodCriticalPods"}})
    f.refuseIf(value < Duration{0} || (value > Duration{0} && value < seconds(1)),
               "{} {} must be either zero or otherwise >= 1 sec", field, formatDuration(value));
  f.refuseIf(
      !c.shutdown_grace_period_by_pod_priority.empty() && (all > Duration{0} || critical > Duration{0}),
      "Cannot specify both shutdownGracePeriodByPodPriority and shutdownGracePeriod at the same time");
}

void checkWords(const KubeletConfiguration& c, Findings& f) {
  f.oneOf(c.cgroup_driver, {"cgroupfs", "systemd"}, "cgroupDriver (--cgroup-driver)");
  f.oneOf(c.topology_manager_policy, {"none", "best-effort", "restricted", "single-numa-node"},
          "topologyManagerPolicy (--topology-manager-policy)");
  f.oneOf(c.topology_manager_scope, {"container", "pod"}, "topologyManagerScope (--topology-manager-scope)");
  f.oneOf(c.hairpin_mode, {"none", "hairpin-veth", "promiscuous-bridge"}, "hairpinMode (--hairpin-mode)");
  f.oneOf(c.swap_behavior, {"", "NoSwap", "LimitedSwap"}, "memorySwap.swapBehavior");
  f.oneOf(c.authorization.mode, {"AlwaysAllow", "Webhook"}, "authorization.mode");
  f.oneOf(c.logging.format, {"text", "json"}, "logging.format");
  f.oneOf(c.config_map_and_secret_change_detection_strategy, {"Get", "Cache", "Watch"},
          "configMapAndSecretChangeDetectionStrategy");
  f.oneOf(c.tls_min_version, {"", "VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"},
          "tlsMinVersion");
  f.oneOf(c.memory_reservation_policy, {"None", "TieredReservation"}, "memoryReservationPolicy");
  f.oneOf(c.image_pull_credentials_verification_policy,
          {"NeverVerify", "NeverVerifyPreloadedImages", "NeverVerifyAllowlistedImages", "AlwaysVerify"},
          "imagePullCredentialsVerificationPolicy");
  f.refuseIf(c.run_once, "runOnce (--runOnce) true, Runonce mode has been deprecated and should not be set");
  f.refuseIf(
      !c.system_cgroups.empty() && c.cgroup_root.empty(),
      "systemCgroups (--system-cgroups) was specified and cgroupRoot (--cgroup-root) was not specified");
  f.refuseIf(c.cgroup_root.find("..") != std::string::npos, "cgroupRoot \"{}\" must not contain \"..\"",
             c.cgroup_root);
  f.refuseIf(c.enable_system_log_query && !c.enable_system_log_handler,
             "enableSystemLogHandler is required for enableSystemLogQuery");
  f.refuseIf(
      c.tls_cert_file.empty() != c.tls_private_key_file.empty(),
      "tlsCertFile (--tls-cert-file) and tlsPrivateKeyFile (--tls-private-key-file) must be given together");
  for (const auto& taint : c.register_with_taints) {
    f.refuseIf(taint.key.empty() || (taint.effect != "NoSchedule" && taint.effect != "PreferNoSchedule" &&
                                     taint.effect != "NoExecute"),
               "invalid taint: {}={}:{}", taint.key, taint.value, taint.effect);
    f.refuseIf(taint.time_added.has_value(), "taint.TimeAdded is not nil");
  }
  for (const auto& [name, on] : c.feature_gates) f.parses(checkFeatureGate(name, on), "featureGates");
}

void checkEnforcement(const KubeletConfiguration& c, Findings& f) {
  std::set<std::string> seen;
  const auto has = [&](const char* name) {
    return std::count(c.enforce_node_allocatable.begin(), c.enforce_node_allocatable.end(), name) > 0;
  };
  for (const char* kind : {"system-reserved", "kube-reserved"}) {
    const std::string compressible = std::string(kind) + "-compressible";
    f.refuseIf(has(kind) && has(compressible.c_str()),
               "both \"{}\" and \"{}\" cannot be specified together in enforceNodeAllocatable "
               "(--enforce-node-allocatable)",
               kind, compressible);
  }
  for (const std::string& level : c.enforce_node_allocatable) {
    const bool fresh = seen.insert(level).second;
    f.refuseIf(!fresh,
               "duplicated enforcements \"{}\" in enforceNodeAllocatable (--enforce-node-allocatable)",
               level);
    if (!fresh) continue;
    if (level == "none") {
      f.refuseIf(
          c.enforce_node_allocatable.size() > 1,
          "enforceNodeAllocatable (--enforce-node-allocatable) may not contain additional enforcements when "
          "\"none\" is specified");
      continue;
    }
    const bool of_system = level.starts_with("system-reserved"), of_kube = level.starts_with("kube-reserved");
    f.refuseIf(
        of_system && c.system_reserved_cgroup.empty(),
        "systemReservedCgroup (--system-reserved-cgroup) must be specified when \"system-reserved\" or "
        "\"system-reserved-compressible\" included in enforceNodeAllocatable (--enforce-node-allocatable)");
    f.refuseIf(
        of_kube && c.kube_reserved_cgroup.empty(),
        "kubeReservedCgroup (--kube-reserved-cgroup) must be specified when \"kube-reserved\" or "
        "\"kube-reserved-compressible\" included in enforceNodeAllocatable (--enforce-node-allocatable)");
    f.oneOf(level,
            {"pods", "system-reserved", "system-reserved-compressible", "kube-reserved",
             "kube-reserved-compressible"},
            "enforceNodeAllocatable (--enforce-node-allocatable)");
    f.refuseIf(!c.cgroups_per_qos,
               "cgroupsPerQOS (--cgroups-per-qos) must be set to true when \"{}\" contained in "
               "enforceNodeAllocatable (--enforce-node-allocatable)",
               level);
  }
}

void checkResources(const KubeletConfiguration& c, Findings& f) {
  f.refuseIf(!c.reserved_system_cpus.empty() &&
                 (!c.system_reserved_cgroup.empty() || !c.kube_reserved_cgroup.empty()),
             "can't use reservedSystemCPUs (--reserved-cpus) with systemReservedCgroup "
             "(--system-reserved-cgroup) or "
             "kubeReservedCgroup (--kube-reserved-cgroup)");
  f.parses(parseCpuSet(c.reserved_system_cpus), "unable to parse reservedSystemCPUs (--reserved-cpus)");
  f.parses(parseReserved(c.system_reserved), "systemReserved (--system-reserved)");
  f.parses(parseReserved(c.kube_reserved), "kubeReserved (--kube-reserved)");
  f.parses(kubelet::eviction::parseThresholds(thresholdConfig(c)), "eviction thresholds");
}

void checkFilesAndAddresses(const KubeletConfiguration& c, Findings& f) {
  f.refuseIf(c.container_log_max_workers < 1, "containerLogMaxWorkers must be greater than or equal to 1");
  f.refuseIf(c.container_log_max_files <= 1, "containerLogMaxFiles must be greater than 1");
  const auto log_size = api::Quantity::parse(c.container_log_max_size);
  f.refuseIf(!log_size || log_size->value() <= 0,
             "containerLogMaxSize must be a positive quantity such as 10Mi, got \"{}\"",
             c.container_log_max_size);
  f.refuseIf(!c.pod_logs_dir.starts_with('/'), "pod logs path \"{}\" must be absolute path", c.pod_logs_dir);
  f.refuseIf(c.pod_logs_dir.find("//") != std::string::npos ||
                 c.pod_logs_dir.find("/..") != std::string::npos ||
                 c.pod_logs_dir.find("/./") != std::string::npos ||
                 (c.pod_logs_dir.size() > 1 && c.pod_logs_dir.ends_with('/')),
             "pod logs path \"{}\" must be normalized", c.pod_logs_dir);
  f.refuseIf(std::any_of(c.pod_logs_dir.begin(), c.pod_logs_dir.end(), [](char ch) { return ch < 0; }),
             "pod logs path \"{}\" mut contains ASCII characters only", c.pod_logs_dir);
  f.parses(IpAddress::parse(c.address), "address (--address)");
  f.parses(IpAddress::parse(c.healthz_bind_address), "healthzBindAddress (--healthz-bind-address)");
  for (const std::string& server : c.cluster_dns) f.parses(IpAddress::parse(server), "clusterDNS");
}

}  // namespace

void validateKubeletConfiguration(const KubeletConfiguration& configuration, ErrorList& errors) {
  Findings findings(errors);
  checkNumbers(configuration, findings);
  checkImages(configuration, findings);
  checkTimes(configuration, findings);
  checkWords(configuration, findings);
  checkEnforcement(configuration, findings);
  checkResources(configuration, findings);
  checkFilesAndAddresses(configuration, findings);
}

}  // namespace keelson::agent
