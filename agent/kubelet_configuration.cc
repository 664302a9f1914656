#include "agent/kubelet_configuration.h"

#include <algorithm>
#include <string_view>

#include "agent/kubelet_configuration_schema.h"
#include "api/codec_impl.h"
#include "kubelet/eviction/thresholds.h"

namespace keelson::agent {
namespace {

// A zero Duration or an empty text in the file means "the default", as upstream's SetDefaults reads it.
template <class T>
void orDefault(T& field, const T& from_default) {
  if (field == T{}) field = from_default;
}

void resolveTimes(KubeletConfiguration& c, const KubeletConfiguration& d) {
  orDefault(c.sync_frequency, d.sync_frequency);
  orDefault(c.file_check_frequency, d.file_check_frequency);
  orDefault(c.http_check_frequency, d.http_check_frequency);
  orDefault(c.authentication.webhook_cache_ttl, d.authentication.webhook_cache_ttl);
  orDefault(c.authorization.cache_authorized_ttl, d.authorization.cache_authorized_ttl);
  orDefault(c.authorization.cache_unauthorized_ttl, d.authorization.cache_unauthorized_ttl);
  orDefault(c.streaming_connection_idle_timeout, d.streaming_connection_idle_timeout);
  // Who sets only the update frequency gets reports as often.
  orDefault(c.node_status_report_frequency, c.node_status_update_frequency);
  orDefault(c.node_status_report_frequency, d.node_status_report_frequency);
  orDefault(c.node_status_update_frequency, d.node_status_update_frequency);
  orDefault(c.image_minimum_gc_age, d.image_minimum_gc_age);
  orDefault(c.volume_stats_agg_period, d.volume_stats_agg_period);
  orDefault(c.cpu_manager_reconcile_period, d.cpu_manager_reconcile_period);
  orDefault(c.runtime_request_timeout, d.runtime_request_timeout);
  orDefault(c.cpu_cfs_quota_period, d.cpu_cfs_quota_period);
  orDefault(c.eviction_pressure_transition_period, d.eviction_pressure_transition_period);
  orDefault(c.container_log_monitor_interval, d.container_log_monitor_interval);
}

void resolveNumbersAndTexts(KubeletConfiguration& c, const KubeletConfiguration& d) {
  orDefault(c.port, d.port);
  orDefault(c.node_lease_duration_seconds, d.node_lease_duration_seconds);
  orDefault(c.max_pods, d.max_pods);
  orDefault(c.max_open_files, d.max_open_files);
  orDefault(c.event_burst, d.event_burst);
  orDefault(c.kube_api_burst, d.kube_api_burst);
  orDefault(c.registry_burst, d.registry_burst);
  orDefault(c.container_log_max_workers, d.container_log_max_workers);
  orDefault(c.address, d.address);
  orDefault(c.healthz_bind_address, d.healthz_bind_address);
  orDefault(c.authorization.mode, d.authorization.mode);
  orDefault(c.pod_logs_dir, d.pod_logs_dir);
  orDefault(c.content_type, d.content_type);
  orDefault(c.cgroup_driver, d.cgroup_driver);
  orDefault(c.cpu_manager_policy, d.cpu_manager_policy);
  orDefault(c.memory_manager_policy, d.memory_manager_policy);
  orDefault(c.topology_manager_policy, d.topology_manager_policy);
  orDefault(c.topology_manager_scope, d.topology_manager_scope);
  orDefault(c.memory_reservation_policy, d.memory_reservation_policy);
  orDefault(c.hairpin_mode, d.hairpin_mode);
  orDefault(c.volume_plugin_dir, d.volume_plugin_dir);
  orDefault(c.container_log_max_size, d.container_log_max_size);
  orDefault(c.container_runtime_endpoint, d.container_runtime_endpoint);
  orDefault(c.logging.format, d.logging.format);
  orDefault(c.image_pull_credentials_verification_policy, d.image_pull_credentials_verification_policy);
  orDefault(c.config_map_and_secret_change_detection_strategy,
            d.config_map_and_secret_change_detection_strategy);
}

bool isZero(const json::value& value) {
  if (value.is_null() || (value.is_bool() && !value.get_bool())) return true;
  if (const auto* text = value.if_string()) return text->empty() || *text == "0s" || *text == "0";
  if (const auto* list = value.if_array()) return list->empty();
  if (const auto* object = value.if_object())
    return std::all_of(object->begin(), object->end(),
                       [](const auto& member) { return isZero(member.value()); });
  return value.is_number() && value.to_number<double>() == 0;
}

// A part of the node that begins to act on one removes it here.
constexpr std::string_view kWithoutEffect[] = {
    // HTTP sources of pods.
    "staticPodURL", "staticPodURLHeader", "httpCheckFrequency",
    // The server on 10250.
    "readOnlyPort", "enableContentionProfiling", "enableProfilingHandler", "enableDebugFlagsHandler",
    "enableSystemLogHandler", "enableSystemLogQuery",
    // The runtime is this process, and it talks JSON.
    "containerRuntimeEndpoint", "imageServiceEndpoint", "runtimeRequestTimeout", "contentType",
    "imagePullCredentialsVerificationPolicy", "preloadedImagesVerificationAllowlist",
    // What the systemd unit sets.
    "kubeletCgroups", "systemCgroups", "oomScoreAdj", "maxOpenFiles",
    // Managers of CPUs, memory and topology.
    "cpuManagerPolicy", "cpuManagerPolicyOptions", "cpuManagerReconcilePeriod", "memoryManagerPolicy",
    "topologyManagerPolicy", "topologyManagerScope", "topologyManagerPolicyOptions", "qosReserved",
    "reservedMemory", "memoryThrottlingFactor", "memoryReservationPolicy", "memorySwap",
    // The bridge hairpins by its links; there are no iptables chains.
    "hairpinMode", "makeIPTablesUtilChains", "iptablesMasqueradeBit", "iptablesDropBit", "runOnce",
    "volumePluginDir", "enableControllerAttachDetach", "protectKernelDefaults", "kernelMemcgNotification",
    "showHiddenMetricsForVersion", "tracing", "userNamespaces", "featureGates", "containerLogMaxWorkers",
    "failSwapOn", "failCgroupV1", "containerLogMonitorInterval", "shutdownGracePeriod",
    "shutdownGracePeriodCriticalPods", "shutdownGracePeriodByPodPriority"};

}  // namespace

Result<KubeletConfiguration> decodeKubeletConfiguration(const json::value& document,
                                                        std::vector<std::string>& warnings) {
  auto decoded = TRY(api::decode<KubeletConfiguration>(document, api::UnknownFields::kWarn));
  for (std::string& warning : decoded.warnings)
    warnings.push_back("KubeletConfiguration: " + std::move(warning));
  KubeletConfiguration out = std::move(decoded.value);
  const KubeletConfiguration defaults;
  const json::object& object = document.get_object();
  const auto given = [&](std::string_view name) {
    const json::value* value = object.if_contains({name.data(), name.size()});
    return value != nullptr && !value->is_null();
  };
  // Absent ones become zero first, so that only what was given counts.
  if (!given("nodeStatusUpdateFrequency")) out.node_status_update_frequency = Duration{0};
  if (!given("nodeStatusReportFrequency")) out.node_status_report_frequency = Duration{0};
  resolveTimes(out, defaults);
  resolveNumbersAndTexts(out, defaults);
  if (!given("evictionHard"))
    out.eviction_hard = kubelet::eviction::defaultEvictionHard();
  else if (out.merge_default_eviction_settings)
    for (const auto& threshold : kubelet::eviction::defaultEvictionHard())
      out.eviction_hard.insert(threshold);
  return out;
}

json::value encodeKubeletConfiguration(const KubeletConfiguration& configuration) {
  return api::encode(configuration);
}

std::vector<std::string> fieldsWithoutEffect(const json::object& document) {
  std::vector<std::string> names;
  for (const std::string_view name : kWithoutEffect) {
    const json::value* value = document.if_contains({name.data(), name.size()});
    if (value != nullptr && !isZero(*value)) names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace keelson::agent
