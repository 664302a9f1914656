// Pod: what should run. https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/int_or_string.h"
#include "api/object_meta.h"
#include "api/pod_status.h"
#include "api/resources.h"

namespace keelson::api {

// Everything here is a plain value with Kubernetes' names in snake_case; std::optional means "absent
// matters". Strings that are enumerations in Kubernetes stay strings and are checked by validatePod.

struct ContainerPort {
  std::string name;
  int32_t host_port = 0;
  int32_t container_port = 0;
  std::string protocol = "TCP";
  std::string host_ip;
  bool operator==(const ContainerPort&) const = default;
};

struct ObjectFieldSelector {
  std::string api_version;
  std::string field_path;
  bool operator==(const ObjectFieldSelector&) const = default;
};

struct ResourceFieldSelector {
  std::string container_name;
  std::string resource;
  std::optional<Quantity> divisor;
  bool operator==(const ResourceFieldSelector&) const = default;
};

struct KeySelector {  // ConfigMapKeySelector and SecretKeySelector
  std::string name;
  std::string key;
  std::optional<bool> optional;
  bool operator==(const KeySelector&) const = default;
};

struct FileKeySelector {
  std::string volume_name;
  std::string path;
  std::string key;
  std::optional<bool> optional;
  bool operator==(const FileKeySelector&) const = default;
};

struct EnvVarSource {
  std::optional<ObjectFieldSelector> field_ref;
  std::optional<ResourceFieldSelector> resource_field_ref;
  std::optional<KeySelector> config_map_key_ref;
  std::optional<KeySelector> secret_key_ref;
  std::optional<FileKeySelector> file_key_ref;
  bool operator==(const EnvVarSource&) const = default;
};

struct EnvVar {
  std::string name;
  std::string value;
  std::optional<EnvVarSource> value_from;
  bool operator==(const EnvVar&) const = default;
};

struct EnvSourceRef {  // ConfigMapEnvSource and SecretEnvSource
  std::string name;
  std::optional<bool> optional;
  bool operator==(const EnvSourceRef&) const = default;
};

struct EnvFromSource {
  std::string prefix;
  std::optional<EnvSourceRef> config_map_ref;
  std::optional<EnvSourceRef> secret_ref;
  bool operator==(const EnvFromSource&) const = default;
};

struct VolumeMount {
  std::string name;
  std::string mount_path;
  std::string sub_path;
  std::string sub_path_expr;
  bool read_only = false;
  std::string recursive_read_only;  // "", Disabled, IfPossible, Enabled
  std::string mount_propagation;    // "", None, HostToContainer, Bidirectional
  bool operator==(const VolumeMount&) const = default;
};

struct VolumeDevice {
  std::string name;
  std::string device_path;
  bool operator==(const VolumeDevice&) const = default;
};

struct ExecAction {
  std::vector<std::string> command;
  bool operator==(const ExecAction&) const = default;
};

struct HttpHeader {
  std::string name;
  std::string value;
  bool operator==(const HttpHeader&) const = default;
};

struct HttpGetAction {
  std::string path;
  IntOrString port;
  std::string host;
  std::string scheme;
  std::vector<HttpHeader> http_headers;
  bool operator==(const HttpGetAction&) const = default;
};

struct TcpSocketAction {
  IntOrString port;
  std::string host;
  bool operator==(const TcpSocketAction&) const = default;
};

struct GrpcAction {
  int32_t port = 0;
  std::optional<std::string> service;
  bool operator==(const GrpcAction&) const = default;
};

struct SleepAction {
  int64_t seconds = 0;
  bool operator==(const SleepAction&) const = default;
};

struct Probe {
  std::optional<ExecAction> exec;
  std::optional<HttpGetAction> http_get;
  std::optional<TcpSocketAction> tcp_socket;
  std::optional<GrpcAction> grpc;
  int32_t initial_delay_seconds = 0;
  int32_t timeout_seconds = 1;
  int32_t period_seconds = 10;
  int32_t success_threshold = 1;
  int32_t failure_threshold = 3;
  std::optional<int64_t> termination_grace_period_seconds;
  bool operator==(const Probe&) const = default;
};

struct LifecycleHandler {
  std::optional<ExecAction> exec;
  std::optional<HttpGetAction> http_get;
  std::optional<TcpSocketAction> tcp_socket;
  std::optional<SleepAction> sleep;
  bool operator==(const LifecycleHandler&) const = default;
};

struct Lifecycle {
  std::optional<LifecycleHandler> post_start;
  std::optional<LifecycleHandler> pre_stop;
  std::string stop_signal;
  bool operator==(const Lifecycle&) const = default;
};

struct Capabilities {
  std::vector<std::string> add;
  std::vector<std::string> drop;
  bool operator==(const Capabilities&) const = default;
};

struct SeLinuxOptions {
  std::string user, role, type, level;
  bool operator==(const SeLinuxOptions&) const = default;
};

struct SecurityProfile {  // SeccompProfile and AppArmorProfile
  std::string type;       // RuntimeDefault, Unconfined, Localhost
  std::string localhost_profile;
  bool operator==(const SecurityProfile&) const = default;
};

struct SecurityContext {
  std::optional<Capabilities> capabilities;
  std::optional<bool> privileged;
  std::optional<SeLinuxOptions> se_linux_options;
  std::optional<int64_t> run_as_user;
  std::optional<int64_t> run_as_group;
  std::optional<bool> run_as_non_root;
  std::optional<bool> read_only_root_filesystem;
  std::optional<bool> allow_privilege_escalation;
  std::string proc_mount;  // "", Default, Unmasked
  std::optional<SecurityProfile> seccomp_profile;
  std::optional<SecurityProfile> app_armor_profile;
  bool operator==(const SecurityContext&) const = default;
};

struct Sysctl {
  std::string name;
  std::string value;
  bool operator==(const Sysctl&) const = default;
};

struct PodSecurityContext {
  std::optional<SeLinuxOptions> se_linux_options;
  std::string se_linux_change_policy;
  std::optional<int64_t> run_as_user;
  std::optional<int64_t> run_as_group;
  std::optional<bool> run_as_non_root;
  std::vector<int64_t> supplemental_groups;
  std::string supplemental_groups_policy;  // "", Merge, Strict
  std::optional<int64_t> fs_group;
  std::string fs_group_change_policy;  // "", Always, OnRootMismatch
  std::vector<Sysctl> sysctls;
  std::optional<SecurityProfile> seccomp_profile;
  std::optional<SecurityProfile> app_armor_profile;
  bool operator==(const PodSecurityContext&) const = default;
};

struct ContainerResizePolicy {
  std::string resource_name;
  std::string restart_policy;
  bool operator==(const ContainerResizePolicy&) const = default;
};

struct ExitCodesRequirement {
  std::string operator_;  // In, NotIn
  std::vector<int32_t> values;
  bool operator==(const ExitCodesRequirement&) const = default;
};

struct ContainerRestartRule {
  std::string action;  // Restart, RestartAllContainers
  std::optional<ExitCodesRequirement> exit_codes;
  bool operator==(const ContainerRestartRule&) const = default;
};

struct Container {  // also the common part of an EphemeralContainer
  std::string name;
  std::string image;
  std::vector<std::string> command;
  std::vector<std::string> args;
  std::string working_dir;
  std::vector<ContainerPort> ports;
  std::vector<EnvFromSource> env_from;
  std::vector<EnvVar> env;
  ResourceRequirements resources;
  std::vector<ContainerResizePolicy> resize_policy;
  std::string restart_policy;  // init containers: "" or Always; see ContainerRestartRules
  std::vector<ContainerRestartRule> restart_policy_rules;
  std::vector<VolumeMount> volume_mounts;
  std::vector<VolumeDevice> volume_devices;
  std::optional<Probe> liveness_probe;
  std::optional<Probe> readiness_probe;
  std::optional<Probe> startup_probe;
  std::optional<Lifecycle> lifecycle;
  std::string termination_message_path;    // defaulted to /dev/termination-log
  std::string termination_message_policy;  // File, FallbackToLogsOnError
  std::string image_pull_policy;           // Always, IfNotPresent, Never
  std::optional<SecurityContext> security_context;
  bool stdin = false;
  bool stdin_once = false;
  bool tty = false;
  bool operator==(const Container&) const = default;
};

struct EphemeralContainer {
  Container common;
  std::string target_container_name;
  bool operator==(const EphemeralContainer&) const = default;
};

struct KeyToPath {
  std::string key;
  std::string path;
  std::optional<int32_t> mode;
  bool operator==(const KeyToPath&) const = default;
};

struct EmptyDirVolume {
  std::string medium;  // "", Memory, HugePages, HugePages-<size>
  std::optional<Quantity> size_limit;
  bool operator==(const EmptyDirVolume&) const = default;
};

struct HostPathVolume {
  std::string path;
  std::string type;  // "", DirectoryOrCreate, Directory, FileOrCreate, File, Socket, CharDevice, BlockDevice
  bool operator==(const HostPathVolume&) const = default;
};

struct ConfigMapVolume {
  std::string name;
  std::vector<KeyToPath> items;
  std::optional<int32_t> default_mode;
  std::optional<bool> optional;
  bool operator==(const ConfigMapVolume&) const = default;
};

struct SecretVolume {
  std::string secret_name;
  std::vector<KeyToPath> items;
  std::optional<int32_t> default_mode;
  std::optional<bool> optional;
  bool operator==(const SecretVolume&) const = default;
};

struct DownwardApiFile {
  std::string path;
  std::optional<ObjectFieldSelector> field_ref;
  std::optional<ResourceFieldSelector> resource_field_ref;
  std::optional<int32_t> mode;
  bool operator==(const DownwardApiFile&) const = default;
};

struct DownwardApiVolume {
  std::vector<DownwardApiFile> items;
  std::optional<int32_t> default_mode;
  bool operator==(const DownwardApiVolume&) const = default;
};

struct ServiceAccountTokenProjection {
  std::string audience;
  std::optional<int64_t> expiration_seconds;
  std::string path;
  bool operator==(const ServiceAccountTokenProjection&) const = default;
};

struct ObjectProjection {  // ConfigMapProjection and SecretProjection
  std::string name;
  std::vector<KeyToPath> items;
  std::optional<bool> optional;
  bool operator==(const ObjectProjection&) const = default;
};

struct VolumeProjection {
  std::optional<ObjectProjection> secret;
  std::optional<ObjectProjection> config_map;
  std::optional<DownwardApiVolume> downward_api;  // its default_mode is unused
  std::optional<ServiceAccountTokenProjection> service_account_token;
  std::string unsupported_source;  // as in Volume: clusterTrustBundle, podCertificate
  bool operator==(const VolumeProjection&) const = default;
};

struct ProjectedVolume {
  std::vector<VolumeProjection> sources;
  std::optional<int32_t> default_mode;
  bool operator==(const ProjectedVolume&) const = default;
};

struct NfsVolume {
  std::string server;
  std::string path;
  bool read_only = false;
  bool operator==(const NfsVolume&) const = default;
};

struct ImageVolume {
  std::string reference;
  std::string pull_policy;
  bool operator==(const ImageVolume&) const = default;
};

struct PersistentVolumeClaimVolume {
  std::string claim_name;
  bool read_only = false;
  bool operator==(const PersistentVolumeClaimVolume&) const = default;
};

struct CsiVolume {
  std::string driver;
  std::optional<bool> read_only;
  std::optional<std::string> fs_type;
  StringMap volume_attributes;
  std::string node_publish_secret;
  bool operator==(const CsiVolume&) const = default;
};

struct Volume {
  std::string name;
  std::optional<EmptyDirVolume> empty_dir;
  std::optional<HostPathVolume> host_path;
  std::optional<ConfigMapVolume> config_map;
  std::optional<SecretVolume> secret;
  std::optional<DownwardApiVolume> downward_api;
  std::optional<ProjectedVolume> projected;
  std::optional<NfsVolume> nfs;
  std::optional<ImageVolume> image;
  std::optional<PersistentVolumeClaimVolume> persistent_volume_claim;
  std::optional<CsiVolume> csi;
  // The name of a source that this node does not serve (iscsi, fc, ephemeral, ...); the pod that
  // uses it waits with FailedMount naming it.
  std::string unsupported_source;
  bool operator==(const Volume&) const = default;
};

struct HostAlias {
  std::string ip;
  std::vector<std::string> hostnames;
  bool operator==(const HostAlias&) const = default;
};

struct PodDnsConfigOption {
  std::string name;
  std::optional<std::string> value;
  bool operator==(const PodDnsConfigOption&) const = default;
};

struct PodDnsConfig {
  std::vector<std::string> nameservers;
  std::vector<std::string> searches;
  std::vector<PodDnsConfigOption> options;
  bool operator==(const PodDnsConfig&) const = default;
};

struct Toleration {
  std::string key;
  std::string operator_;
  std::string value;
  std::string effect;
  std::optional<int64_t> toleration_seconds;
  bool operator==(const Toleration&) const = default;
};

struct NodeSelectorRequirement {
  std::string key;
  std::string operator_;  // In, NotIn, Exists, DoesNotExist, Gt, Lt
  std::vector<std::string> values;
  bool operator==(const NodeSelectorRequirement&) const = default;
};

struct NodeSelectorTerm {
  std::vector<NodeSelectorRequirement> match_expressions;
  std::vector<NodeSelectorRequirement> match_fields;
  bool operator==(const NodeSelectorTerm&) const = default;
};

struct PodReadinessGate {
  std::string condition_type;
  bool operator==(const PodReadinessGate&) const = default;
};

struct PodSpec {
  std::vector<Volume> volumes;
  std::vector<Container> init_containers;
  std::vector<Container> containers;
  std::vector<EphemeralContainer> ephemeral_containers;
  std::string restart_policy = "Always";
  std::optional<int64_t> termination_grace_period_seconds;  // defaulted to 30
  std::optional<int64_t> active_deadline_seconds;
  std::string dns_policy = "ClusterFirst";
  std::optional<PodDnsConfig> dns_config;
  StringMap node_selector;
  // requiredDuringSchedulingIgnoredDuringExecution of affinity.nodeAffinity; terms are ORed. The
  // rest of affinity is the scheduler's.
  std::optional<std::vector<NodeSelectorTerm>> required_node_affinity;
  std::string service_account_name;
  std::optional<bool> automount_service_account_token;
  std::string node_name;
  bool host_network = false;
  bool host_pid = false;
  bool host_ipc = false;
  std::optional<bool> host_users;
  std::optional<bool> share_process_namespace;
  PodSecurityContext security_context;
  std::vector<std::string> image_pull_secrets;
  std::string hostname;
  std::string subdomain;
  std::optional<bool> set_hostname_as_fqdn;
  std::optional<std::string> hostname_override;
  std::vector<HostAlias> host_aliases;
  std::string scheduler_name;
  std::vector<Toleration> tolerations;
  std::string priority_class_name;
  std::optional<int32_t> priority;
  std::string preemption_policy;
  std::vector<PodReadinessGate> readiness_gates;
  std::string runtime_class_name;
  ResourceList overhead;
  std::optional<bool> enable_service_links;
  std::optional<std::string> os_name;
  std::optional<ResourceRequirements> resources;  // pod-level
  bool operator==(const PodSpec&) const = default;
};

// A Pod as desired state: built by decode<Pod> (codec.h), completed by defaultPod, checked by validatePod,
// then shared as shared_ptr<const Pod>. Any thread.
struct Pod {
  ObjectMeta metadata;
  PodSpec spec;
  PodStatus status;
  bool operator==(const Pod&) const = default;
};

using PodPtr = std::shared_ptr<const Pod>;

// "namespace/name", for logs and keys of people.
std::string podFullName(const Pod& pod);

}  // namespace keelson::api
