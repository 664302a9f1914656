// The fields of KubeletConfiguration in JSON. Included by kubelet_configuration.cc alone.
#pragma once

#include "agent/kubelet_configuration.h"
#include "api/meta_schema.h"
#include "api/schema.h"
#include "api/taint_schema.h"

namespace keelson::api {

template <>
struct Schema<agent::ShutdownByPriority> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("priority", c.priority, kAlways);
    v("shutdownGracePeriodSeconds", c.shutdown_grace_period_seconds, kAlways);
  }
};

template <>
struct Schema<agent::KubeletAuthentication> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v.object("x509", [&](V& x509) { x509("clientCAFile", c.client_ca_file); });
    v.object("webhook", [&](V& webhook) {
      webhook("enabled", c.webhook_enabled, kAlways);
      webhook("cacheTTL", c.webhook_cache_ttl);
    });
    v.object("anonymous", [&](V& anonymous) { anonymous("enabled", c.anonymous_enabled, kAlways); });
  }
};

template <>
struct Schema<agent::KubeletAuthorization> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("mode", c.mode);
    v.object("webhook", [&](V& webhook) {
      webhook("cacheAuthorizedTTL", c.cache_authorized_ttl);
      webhook("cacheUnauthorizedTTL", c.cache_unauthorized_ttl);
    });
  }
};

template <>
struct Schema<agent::KubeletLogging> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("format", c.format);
    v("verbosity", c.verbosity, kAlways);
    v.ignored({"flushFrequency", "vmodule", "options"});
  }
};

template <>
struct Schema<agent::KubeletTracing> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("endpoint", c.endpoint);
    v("samplingRatePerMillion", c.sampling_rate_per_million);
  }
};

template <>
struct KindOf<agent::KubeletConfiguration> {
  static constexpr const char* kApiVersion = "kubelet.config.k8s.io/v1beta1";
  static constexpr const char* kKind = "KubeletConfiguration";
};

template <>
struct Schema<agent::KubeletConfiguration> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    sources(v, c);
    servers(v, c);
    apiServer(v, c);
    images(v, c);
    cgroups(v, c);
    managers(v, c);
    eviction(v, c);
    pods(v, c);
    process(v, c);
  }

 private:
  template <class V, class C>
  static void sources(V& v, C& c) {
    v("staticPodPath", c.static_pod_path);
    v("staticPodURL", c.static_pod_url);
    v("staticPodURLHeader", c.static_pod_url_header);
    v("syncFrequency", c.sync_frequency);
    v("fileCheckFrequency", c.file_check_frequency);
    v("httpCheckFrequency", c.http_check_frequency);
    v("podLogsDir", c.pod_logs_dir);
  }

  template <class V, class C>
  static void servers(V& v, C& c) {
    v("enableServer", c.enable_server, kAlways);
    v("address", c.address);
    v("port", c.port);
    v("readOnlyPort", c.read_only_port);
    v("tlsCertFile", c.tls_cert_file);
    v("tlsPrivateKeyFile", c.tls_private_key_file);
    v("tlsMinVersion", c.tls_min_version);
    v("tlsCipherSuites", c.tls_cipher_suites);
    v("tlsCurvePreferences", c.tls_curve_preferences);
    v("rotateCertificates", c.rotate_certificates);
    v("serverTLSBootstrap", c.server_tls_bootstrap);
    v("authentication", c.authentication);
    v("authorization", c.authorization);
    v("enableDebuggingHandlers", c.enable_debugging_handlers, kAlways);
    v("enableContentionProfiling", c.enable_contention_profiling);
    v("enableProfilingHandler", c.enable_profiling_handler, kAlways);
    v("enableDebugFlagsHandler", c.enable_debug_flags_handler, kAlways);
    v("enableSystemLogHandler", c.enable_system_log_handler, kAlways);
    v("enableSystemLogQuery", c.enable_system_log_query);
    v("healthzPort", c.healthz_port, kAlways);
    v("healthzBindAddress", c.healthz_bind_address);
    v("streamingConnectionIdleTimeout", c.streaming_connection_idle_timeout);
  }

  template <class V, class C>
  static void apiServer(V& v, C& c) {
    v("registerNode", c.register_node, kAlways);
    v("registerWithTaints", c.register_with_taints);
    v("providerID", c.provider_id);
    v("nodeStatusUpdateFrequency", c.node_status_update_frequency);
    v("nodeStatusReportFrequency", c.node_status_report_frequency);
    v("nodeLeaseDurationSeconds", c.node_lease_duration_seconds);
    v("nodeStatusMaxImages", c.node_status_max_images, kAlways);
    v("kubeAPIQPS", c.kube_api_qps, kAlways);
    v("kubeAPIBurst", c.kube_api_burst);
    v("contentType", c.content_type);
    v("eventRecordQPS", c.event_record_qps, kAlways);
    v("eventBurst", c.event_burst);
    v("configMapAndSecretChangeDetectionStrategy", c.config_map_and_secret_change_detection_strategy);
    v("enableControllerAttachDetach", c.enable_controller_attach_detach, kAlways);
  }

  template <class V, class C>
  static void images(V& v, C& c) {
    v("registryPullQPS", c.registry_pull_qps, kAlways);
    v("registryBurst", c.registry_burst);
    v("serializeImagePulls", c.serialize_image_pulls);
    v("maxParallelImagePulls", c.max_parallel_image_pulls);
    v("imageMinimumGCAge", c.image_minimum_gc_age);
    v("imageMaximumGCAge", c.image_maximum_gc_age);
    v("imageGCHighThresholdPercent", c.image_gc_high_threshold_percent, kAlways);
    v("imageGCLowThresholdPercent", c.image_gc_low_threshold_percent, kAlways);
    v("imagePullCredentialsVerificationPolicy", c.image_pull_credentials_verification_policy);
    v("preloadedImagesVerificationAllowlist", c.preloaded_images_verification_allowlist);
    v("containerRuntimeEndpoint", c.container_runtime_endpoint);
    v("imageServiceEndpoint", c.image_service_endpoint);
    v("runtimeRequestTimeout", c.runtime_request_timeout);
  }

  template <class V, class C>
  static void cgroups(V& v, C& c) {
    v("kubeletCgroups", c.kubelet_cgroups);
    v("systemCgroups", c.system_cgroups);
    v("cgroupRoot", c.cgroup_root);
    v("cgroupsPerQOS", c.cgroups_per_qos, kAlways);
    v("cgroupDriver", c.cgroup_driver);
    v("cpuCFSQuota", c.cpu_cfs_quota, kAlways);
    v("cpuCFSQuotaPeriod", c.cpu_cfs_quota_period);
    v("podPidsLimit", c.pod_pids_limit, kAlways);
    v("singleProcessOOMKill", c.single_process_oom_kill);
    v("failSwapOn", c.fail_swap_on, kAlways);
    v("failCgroupV1", c.fail_cgroup_v1, kAlways);
    v.object("memorySwap", [&](V& swap) { swap("swapBehavior", c.swap_behavior); });
    v("systemReserved", c.system_reserved);
    v("kubeReserved", c.kube_reserved);
    v("reservedSystemCPUs", c.reserved_system_cpus);
    v("systemReservedCgroup", c.system_reserved_cgroup);
    v("kubeReservedCgroup", c.kube_reserved_cgroup);
    v("enforceNodeAllocatable", c.enforce_node_allocatable, kAlways);
    v("oomScoreAdj", c.oom_score_adj, kAlways);
    v("maxOpenFiles", c.max_open_files);
    v("protectKernelDefaults", c.protect_kernel_defaults);
    v("kernelMemcgNotification", c.kernel_memcg_notification);
    v("allowedUnsafeSysctls", c.allowed_unsafe_sysctls);
    v("seccompDefault", c.seccomp_default);
    v.object("userNamespaces", [&](V& inner) { inner("idsPerPod", c.user_namespaces_ids_per_pod); });
  }

  template <class V, class C>
  static void managers(V& v, C& c) {
    v("cpuManagerPolicy", c.cpu_manager_policy);
    v("cpuManagerPolicyOptions", c.cpu_manager_policy_options);
    v("cpuManagerReconcilePeriod", c.cpu_manager_reconcile_period);
    v("memoryManagerPolicy", c.memory_manager_policy);
    v("topologyManagerPolicy", c.topology_manager_policy);
    v("topologyManagerScope", c.topology_manager_scope);
    v("topologyManagerPolicyOptions", c.topology_manager_policy_options);
    v("qosReserved", c.qos_reserved);
    v.ignored({"reservedMemory"});
    v("memoryThrottlingFactor", c.memory_throttling_factor);
    v("memoryReservationPolicy", c.memory_reservation_policy);
  }

  template <class V, class C>
  static void eviction(V& v, C& c) {
    v("evictionHard", c.eviction_hard);
    v("evictionSoft", c.eviction_soft);
    v("evictionSoftGracePeriod", c.eviction_soft_grace_period);
    v("evictionMinimumReclaim", c.eviction_minimum_reclaim);
    v("evictionPressureTransitionPeriod", c.eviction_pressure_transition_period);
    v("evictionMaxPodGracePeriod", c.eviction_max_pod_grace_period);
    v("mergeDefaultEvictionSettings", c.merge_default_eviction_settings);
    v("volumeStatsAggPeriod", c.volume_stats_agg_period);
    v("localStorageCapacityIsolation", c.local_storage_capacity_isolation, kAlways);
  }

  template <class V, class C>
  static void pods(V& v, C& c) {
    v("maxPods", c.max_pods);
    v("podsPerCore", c.pods_per_core);
    v("podCIDR", c.pod_cidr);
    v("resolvConf", c.resolv_conf, kAlways);
    v("clusterDNS", c.cluster_dns);
    v("clusterDomain", c.cluster_domain);
    v("hairpinMode", c.hairpin_mode);
    v("makeIPTablesUtilChains", c.make_iptables_util_chains, kAlways);
    v("iptablesMasqueradeBit", c.iptables_masquerade_bit, kAlways);
    v("iptablesDropBit", c.iptables_drop_bit, kAlways);
    v("volumePluginDir", c.volume_plugin_dir);
    v("containerLogMaxSize", c.container_log_max_size);
    v("containerLogMaxFiles", c.container_log_max_files, kAlways);
    v("containerLogMaxWorkers", c.container_log_max_workers);
    v("containerLogMonitorInterval", c.container_log_monitor_interval);
    v.object("crashLoopBackOff",
             [&](V& inner) { inner("maxContainerRestartPeriod", c.max_container_restart_period); });
    v("shutdownGracePeriod", c.shutdown_grace_period);
    v("shutdownGracePeriodCriticalPods", c.shutdown_grace_period_critical_pods);
    v("shutdownGracePeriodByPodPriority", c.shutdown_grace_period_by_pod_priority);
  }

  template <class V, class C>
  static void process(V& v, C& c) {
    v("runOnce", c.run_once);
    v("featureGates", c.feature_gates);
    v("showHiddenMetricsForVersion", c.show_hidden_metrics_for_version);
    v("logging", c.logging);
    v("tracing", c.tracing);
  }
};

}  // namespace keelson::api
