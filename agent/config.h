// Configuration: one YAML file of up to three documents, with flags over it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/object_meta.h"
#include "api/quantity.h"
#include "base/clock.h"
#include "base/ip.h"
#include "base/result.h"

namespace keelson::agent {

// The fields of KubeletConfiguration (kubelet.config.k8s.io/v1beta1) that act today; the rest of its 125
// fields are accepted and have no effect yet. Defaults as upstream.
// https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/
struct KubeletConfiguration {
  std::string static_pod_path;
  std::string pod_logs_dir = "/var/log/pods";
  std::string sync_frequency = "1m";
  std::string file_check_frequency = "20s";
  std::string cgroup_root;
  std::string cgroup_driver = "cgroupfs";
  bool cpu_cfs_quota = true;
  std::string cpu_cfs_quota_period = "100ms";
  int32_t max_pods = 110;
  std::string pod_cidr;
  int64_t pod_pids_limit = -1;
  std::string resolv_conf = "/etc/resolv.conf";
  std::vector<std::string> cluster_dns;
  std::string cluster_domain;
  std::string container_log_max_size = "10Mi";
  int32_t container_log_max_files = 5;
  bool seccomp_default = false;
  std::optional<bool> single_process_oom_kill;
  std::string max_container_restart_period = "300s";  // crashLoopBackOff.maxContainerRestartPeriod
};

// One entry of KeelsonConfiguration.registries.
struct RegistryEntry {
  std::string host;
  std::vector<std::string> mirrors;  // "http://127.0.0.1:5000", tried in order before the host itself
  bool plain_http = false;
  std::string ca_file;
};

// What Kubernetes has no field for (keelson.dev/v1alpha1).
struct KeelsonConfiguration {
  std::string run_dir = "/run/keelson";
  std::string state_dir = "/var/lib/keelson";
  std::string socket;  // "": <runDir>/keelson.sock
  std::string shim;    // "": beside the daemon
  std::string bridge = "cni0";
  int32_t mtu = 0;  // 0: that of the default route's link
  std::vector<std::string> cluster_cidrs{"10.244.0.0/16"};
  std::vector<RegistryEntry> registries;
  std::string log_level = "info";
  std::string container_logs_dir = "/var/log/containers";
};

struct Config {
  KubeletConfiguration kubelet;
  KeelsonConfiguration keelson;
  std::vector<std::string> warnings;  // unknown fields, as upstream's lenient decoding tells them
};

// Decodes the documents of `text`; `name` is the file's, for messages. An unknown field is a warning
// in KubeletConfiguration and KubeProxyConfiguration, as upstream, and an error in KeelsonConfiguration. A
// wrong type, an unknown kind, a kind given twice and an empty file are kInvalidArgument.
Result<Config> parseConfig(std::string_view text, const std::string& name);

// Cross-checks, as "invalid configuration: <field>: ..."; kInvalidArgument with every finding.
Result<void> validateConfig(const Config& config);

// One line of the command line's options.
struct Flags {
  std::string config_file;
  bool standalone = false;
  bool check_config = false;
  std::string node_name;                           // --hostname-override
  std::vector<std::string> node_ips;               // --node-ip
  std::map<std::string, std::string> node_labels;  // --node-labels
  std::string root_dir = "/var/lib/kubelet";
  // Flags that win over the file when given.
  std::optional<std::string> static_pod_path, pod_cidr, cgroup_root, socket, run_dir, state_dir, log_level,
      shim;
  std::vector<std::string> cluster_dns;
  std::optional<std::string> cluster_domain;
  std::optional<int32_t> max_pods;
};

Config mergeFlags(Config config, const Flags& flags);

}  // namespace keelson::agent
