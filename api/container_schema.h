// The fields of Container and what stands in it.
#pragma once

#include "api/pod.h"
#include "api/resources_schema.h"
#include "api/schema.h"

namespace keelson::api {

template <>
struct Schema<ContainerPort> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("name", c.name);
    v("hostPort", c.host_port);
    v("containerPort", c.container_port, kAlways);
    v("protocol", c.protocol);
    v("hostIP", c.host_ip);
  }
};

template <>
struct Schema<ObjectFieldSelector> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("apiVersion", c.api_version);
    v("fieldPath", c.field_path, kAlways);
  }
};

template <>
struct Schema<ResourceFieldSelector> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("containerName", c.container_name);
    v("resource", c.resource, kAlways);
    v("divisor", c.divisor);
  }
};

template <>
struct Schema<KeySelector> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("name", c.name);
    v("key", c.key, kAlways);
    v("optional", c.optional);
  }
};

template <>
struct Schema<FileKeySelector> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("volumeName", c.volume_name, kAlways);
    v("path", c.path, kAlways);
    v("key", c.key, kAlways);
    v("optional", c.optional);
  }
};

template <>
struct Schema<EnvVarSource> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("fieldRef", c.field_ref);
    v("resourceFieldRef", c.resource_field_ref);
    v("configMapKeyRef", c.config_map_key_ref);
    v("secretKeyRef", c.secret_key_ref);
    v("fileKeyRef", c.file_key_ref);
  }
};

template <>
struct Schema<EnvVar> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("name", c.name, kAlways);
    v("value", c.value);
    v("valueFrom", c.value_from);
  }
};

template <>
struct Schema<EnvSourceRef> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("name", c.name);
    v("optional", c.optional);
  }
};

template <>
struct Schema<EnvFromSource> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("prefix", c.prefix);
    v("configMapRef", c.config_map_ref);
    v("secretRef", c.secret_ref);
  }
};

template <>
struct Schema<VolumeMount> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("name", c.name, kAlways);
    v("readOnly", c.read_only);
    v("recursiveReadOnly", c.recursive_read_only);
    v("mountPath", c.mount_path, kAlways);
    v("subPath", c.sub_path);
    v("mountPropagation", c.mount_propagation);
    v("subPathExpr", c.sub_path_expr);
  }
};

template <>
struct Schema<VolumeDevice> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("name", c.name, kAlways);
    v("devicePath", c.device_path, kAlways);
  }
};

template <>
struct Schema<ExecAction> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("command", c.command);
  }
};

template <>
struct Schema<HttpHeader> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("name", c.name, kAlways);
    v("value", c.value, kAlways);
  }
};

template <>
struct Schema<HttpGetAction> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("path", c.path);
    v("port", c.port, kAlways);
    v("host", c.host);
    v("scheme", c.scheme);
    v("httpHeaders", c.http_headers);
  }
};

template <>
struct Schema<TcpSocketAction> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("port", c.port, kAlways);
    v("host", c.host);
  }
};

template <>
struct Schema<GrpcAction> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("port", c.port, kAlways);
    v("service", c.service);
  }
};

template <>
struct Schema<SleepAction> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("seconds", c.seconds, kAlways);
  }
};

template <>
struct Schema<Probe> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("exec", c.exec);
    v("httpGet", c.http_get);
    v("tcpSocket", c.tcp_socket);
    v("grpc", c.grpc);
    v("initialDelaySeconds", c.initial_delay_seconds);
    v("timeoutSeconds", c.timeout_seconds);
    v("periodSeconds", c.period_seconds);
    v("successThreshold", c.success_threshold);
    v("failureThreshold", c.failure_threshold);
    v("terminationGracePeriodSeconds", c.termination_grace_period_seconds);
  }
};

template <>
struct Schema<LifecycleHandler> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("exec", c.exec);
    v("httpGet", c.http_get);
    v("tcpSocket", c.tcp_socket);
    v("sleep", c.sleep);
  }
};

template <>
struct Schema<Lifecycle> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("postStart", c.post_start);
    v("preStop", c.pre_stop);
    v("stopSignal", c.stop_signal);
  }
};

template <>
struct Schema<Capabilities> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("add", c.add);
    v("drop", c.drop);
  }
};

template <>
struct Schema<SeLinuxOptions> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("user", c.user);
    v("role", c.role);
    v("type", c.type);
    v("level", c.level);
  }
};

template <>
struct Schema<SecurityProfile> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("type", c.type, kAlways);
    v("localhostProfile", c.localhost_profile);
  }
};

template <>
struct Schema<SecurityContext> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("capabilities", c.capabilities);
    v("privileged", c.privileged);
    v("seLinuxOptions", c.se_linux_options);
    v("runAsUser", c.run_as_user);
    v("runAsGroup", c.run_as_group);
    v("runAsNonRoot", c.run_as_non_root);
    v("readOnlyRootFilesystem", c.read_only_root_filesystem);
    v("allowPrivilegeEscalation", c.allow_privilege_escalation);
    v("procMount", c.proc_mount);
    v("seccompProfile", c.seccomp_profile);
    v("appArmorProfile", c.app_armor_profile);
    v.ignored({"windowsOptions"});
  }
};

template <>
struct Schema<ContainerResizePolicy> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("resourceName", c.resource_name, kAlways);
    v("restartPolicy", c.restart_policy, kAlways);
  }
};

template <>
struct Schema<ExitCodesRequirement> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("operator", c.operator_, kAlways);
    v("values", c.values);
  }
};

template <>
struct Schema<ContainerRestartRule> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("action", c.action, kAlways);
    v("exitCodes", c.exit_codes);
  }
};

template <>
struct Schema<Container> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("name", c.name, kAlways);
    v("image", c.image);
    v("command", c.command);
    v("args", c.args);
    v("workingDir", c.working_dir);
    v("ports", c.ports);
    v("envFrom", c.env_from);
    v("env", c.env);
    v("resources", c.resources);
    v("resizePolicy", c.resize_policy);
    v("restartPolicy", c.restart_policy);
    v("restartPolicyRules", c.restart_policy_rules);
    v("volumeMounts", c.volume_mounts);
    v("volumeDevices", c.volume_devices);
    v("livenessProbe", c.liveness_probe);
    v("readinessProbe", c.readiness_probe);
    v("startupProbe", c.startup_probe);
    v("lifecycle", c.lifecycle);
    v("terminationMessagePath", c.termination_message_path);
    v("terminationMessagePolicy", c.termination_message_policy);
    v("imagePullPolicy", c.image_pull_policy);
    v("securityContext", c.security_context);
    v("stdin", c.stdin);
    v("stdinOnce", c.stdin_once);
    v("tty", c.tty);
  }
};

template <>
struct Schema<EphemeralContainer> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    Schema<Container>::fields(v, c.common);
    v("targetContainerName", c.target_container_name);
  }
};

}  // namespace keelson::api
