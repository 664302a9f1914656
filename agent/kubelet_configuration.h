// KubeletConfiguration (kubelet.config.k8s.io/v1beta1): every field, with upstream's defaults.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/node.h"
#include "api/object_meta.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"

namespace keelson::agent {

struct KubeletAuthentication {
  std::string client_ca_file;  // x509.clientCAFile
  bool webhook_enabled = true;
  Duration webhook_cache_ttl = std::chrono::minutes(2);
  bool anonymous_enabled = false;
};

struct KubeletAuthorization {
  std::string mode = "Webhook";
  Duration cache_authorized_ttl = std::chrono::minutes(5);
  Duration cache_unauthorized_ttl = std::chrono::seconds(30);
};

// One entry of shutdownGracePeriodByPodPriority.
struct ShutdownByPriority {
  int32_t priority = 0;
  int64_t shutdown_grace_period_seconds = 0;
};

struct KubeletLogging {
  std::string format = "text";
  int64_t verbosity = 0;
};

struct KubeletTracing {
  std::optional<std::string> endpoint;
  std::optional<int32_t> sampling_rate_per_million;
};

// A plain value. Zero and "" mean the default wherever upstream says so (kubeadm writes many such fields);
// decodeKubeletConfiguration resolves them. reservedMemory is accepted without a field. Which fields have an
// effect: fieldsWithoutEffect. https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/
struct KubeletConfiguration {
  // Pod sources and times.
  std::string static_pod_path;
  std::string static_pod_url;
  std::map<std::string, std::vector<std::string>> static_pod_url_header;
  Duration sync_frequency = std::chrono::minutes(1);
  Duration file_check_frequency = std::chrono::seconds(20);
  Duration http_check_frequency = std::chrono::seconds(20);
  std::string pod_logs_dir = "/var/log/pods";

  // Servers and their certificates.
  bool enable_server = true;
  std::string address = "0.0.0.0";
  int32_t port = 10250;
  int32_t read_only_port = 0;
  std::string tls_cert_file, tls_private_key_file, tls_min_version;
  std::vector<std::string> tls_cipher_suites, tls_curve_preferences;
  bool rotate_certificates = false;
  bool server_tls_bootstrap = false;
  KubeletAuthentication authentication;
  KubeletAuthorization authorization;
  bool enable_debugging_handlers = true;
  bool enable_contention_profiling = false;
  bool enable_profiling_handler = true;
  bool enable_debug_flags_handler = true;
  bool enable_system_log_handler = true;
  bool enable_system_log_query = false;
  int32_t healthz_port = 10248;  // 0: off
  std::string healthz_bind_address = "127.0.0.1";
  Duration streaming_connection_idle_timeout = std::chrono::hours(4);

  // The API server.
  bool register_node = true;
  std::vector<api::Taint> register_with_taints;
  std::string provider_id;
  Duration node_status_update_frequency = std::chrono::seconds(10);
  Duration node_status_report_frequency = std::chrono::minutes(5);
  int32_t node_lease_duration_seconds = 40;
  int32_t node_status_max_images = 50;  // -1: all
  int32_t kube_api_qps = 50;
  int32_t kube_api_burst = 100;
  std::string content_type = "application/vnd.kubernetes.protobuf";
  int32_t event_record_qps = 50;
  int32_t event_burst = 100;
  std::string config_map_and_secret_change_detection_strategy = "Watch";  // Get, Cache, Watch
  bool enable_controller_attach_detach = true;

  // Images.
  int32_t registry_pull_qps = 5;
  int32_t registry_burst = 10;
  std::optional<bool> serialize_image_pulls;  // serializesImagePulls() resolves it
  std::optional<int32_t> max_parallel_image_pulls;
  Duration image_minimum_gc_age = std::chrono::minutes(2);
  Duration image_maximum_gc_age{0};  // 0: off
  int32_t image_gc_high_threshold_percent = 85;
  int32_t image_gc_low_threshold_percent = 80;
  std::string image_pull_credentials_verification_policy = "NeverVerifyPreloadedImages";
  std::vector<std::string> preloaded_images_verification_allowlist;
  std::string container_runtime_endpoint = "unix:///run/containerd/containerd.sock";
  std::string image_service_endpoint;
  Duration runtime_request_timeout = std::chrono::minutes(2);

  // Cgroups and resources.
  std::string kubelet_cgroups, system_cgroups, cgroup_root;
  bool cgroups_per_qos = true;
  std::string cgroup_driver = "cgroupfs";
  bool cpu_cfs_quota = true;
  Duration cpu_cfs_quota_period = std::chrono::milliseconds(100);
  int64_t pod_pids_limit = -1;
  std::optional<bool> single_process_oom_kill;
  std::string cpu_manager_policy = "none";
  api::StringMap cpu_manager_policy_options;
  Duration cpu_manager_reconcile_period = std::chrono::seconds(10);
  std::string memory_manager_policy = "None";
  std::string topology_manager_policy = "none";
  std::string topology_manager_scope = "container";
  api::StringMap topology_manager_policy_options;
  api::StringMap qos_reserved;
  double memory_throttling_factor = 0.9;
  std::string memory_reservation_policy = "None";
  bool fail_swap_on = true;
  bool fail_cgroup_v1 = true;
  std::string swap_behavior;  // memorySwap.swapBehavior: "", NoSwap, LimitedSwap
  api::StringMap system_reserved, kube_reserved;
  std::string reserved_system_cpus, system_reserved_cgroup, kube_reserved_cgroup;
  std::vector<std::string> enforce_node_allocatable{"pods"};
  int32_t oom_score_adj = -999;
  int64_t max_open_files = 1'000'000;
  bool protect_kernel_defaults = false;
  bool kernel_memcg_notification = false;
  std::vector<std::string> allowed_unsafe_sysctls;
  bool seccomp_default = false;
  int64_t user_namespaces_ids_per_pod = 65536;

  // Eviction. "<signal>: <quantity or percentage>"; thresholdConfig() hands them on.
  api::StringMap eviction_hard;
  api::StringMap eviction_soft;
  api::StringMap eviction_soft_grace_period;
  api::StringMap eviction_minimum_reclaim;
  Duration eviction_pressure_transition_period = std::chrono::minutes(5);
  int32_t eviction_max_pod_grace_period = 0;
  bool merge_default_eviction_settings = false;
  Duration volume_stats_agg_period = std::chrono::minutes(1);
  bool local_storage_capacity_isolation = true;

  // Pods.
  int32_t max_pods = 110;
  int32_t pods_per_core = 0;
  std::string pod_cidr;
  std::string resolv_conf = "/etc/resolv.conf";
  std::vector<std::string> cluster_dns;
  std::string cluster_domain;
  std::string hairpin_mode = "promiscuous-bridge";
  bool make_iptables_util_chains = true;
  int32_t iptables_masquerade_bit = 14;
  int32_t iptables_drop_bit = 15;
  std::string volume_plugin_dir = "/usr/libexec/kubernetes/kubelet-plugins/volume/exec/";
  std::string container_log_max_size = "10Mi";
  int32_t container_log_max_files = 5;
  int32_t container_log_max_workers = 1;
  Duration container_log_monitor_interval = std::chrono::seconds(10);
  Duration max_container_restart_period = std::chrono::seconds(300);  // crashLoopBackOff
  Duration shutdown_grace_period{0};
  Duration shutdown_grace_period_critical_pods{0};
  std::vector<ShutdownByPriority> shutdown_grace_period_by_pod_priority;

  // The process.
  bool run_once = false;
  std::map<std::string, bool> feature_gates;
  std::string show_hidden_metrics_for_version;
  KubeletLogging logging;
  KubeletTracing tracing;

  bool serializesImagePulls() const {
    return serialize_image_pulls.value_or(!max_parallel_image_pulls || *max_parallel_image_pulls < 2);
  }
};

// Decodes one document and resolves defaults. A wrong type is kInvalidArgument with the field's name; an
// unknown field is a warning, as upstream.
Result<KubeletConfiguration> decodeKubeletConfiguration(const json::value& document,
                                                        std::vector<std::string>& warnings);

// What the API server and `configz` would show: all fields, defaults included.
json::value encodeKubeletConfiguration(const KubeletConfiguration& configuration);

// The fields that `document` sets to something and that nothing here acts on, sorted.
std::vector<std::string> fieldsWithoutEffect(const json::object& document);

// Upstream's cross-checks in upstream's words; "" before the first.
void validateKubeletConfiguration(const KubeletConfiguration& configuration, ErrorList& errors);

}  // namespace keelson::agent
