// The fields of PodSpec.
#pragma once

#include "api/container_schema.h"
#include "api/pod.h"
#include "api/schema.h"
#include "api/volume_schema.h"

namespace keelson::api {

template <>
struct Schema<Sysctl> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("name", c.name, kAlways);
    v("value", c.value, kAlways);
  }
};

template <>
struct Schema<PodSecurityContext> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("seLinuxOptions", c.se_linux_options);
    v("runAsUser", c.run_as_user);
    v("runAsGroup", c.run_as_group);
    v("runAsNonRoot", c.run_as_non_root);
    v("supplementalGroups", c.supplemental_groups);
    v("supplementalGroupsPolicy", c.supplemental_groups_policy);
    v("fsGroup", c.fs_group);
    v("sysctls", c.sysctls);
    v("fsGroupChangePolicy", c.fs_group_change_policy);
    v("seccompProfile", c.seccomp_profile);
    v("appArmorProfile", c.app_armor_profile);
    v("seLinuxChangePolicy", c.se_linux_change_policy);
    v.ignored({"windowsOptions"});
  }
};

template <>
struct Schema<HostAlias> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("ip", c.ip, kAlways);
    v("hostnames", c.hostnames);
  }
};

template <>
struct Schema<PodDnsConfigOption> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("name", c.name);
    v("value", c.value);
  }
};

template <>
struct Schema<PodDnsConfig> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("nameservers", c.nameservers);
    v("searches", c.searches);
    v("options", c.options);
  }
};

template <>
struct Schema<Toleration> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("key", c.key);
    v("operator", c.operator_);
    v("value", c.value);
    v("effect", c.effect);
    v("tolerationSeconds", c.toleration_seconds);
  }
};

template <>
struct Schema<NodeSelectorRequirement> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("key", c.key, kAlways);
    v("operator", c.operator_, kAlways);
    v("values", c.values);
  }
};

template <>
struct Schema<NodeSelectorTerm> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("matchExpressions", c.match_expressions);
    v("matchFields", c.match_fields);
  }
};

template <>
struct Schema<PodReadinessGate> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("conditionType", c.condition_type, kAlways);
  }
};

template <>
struct Schema<PodSpec> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("volumes", c.volumes);
    v("initContainers", c.init_containers);
    v("containers", c.containers, kAlways);
    v("ephemeralContainers", c.ephemeral_containers);
    v("restartPolicy", c.restart_policy);
    v("terminationGracePeriodSeconds", c.termination_grace_period_seconds);
    v("activeDeadlineSeconds", c.active_deadline_seconds);
    v("dnsPolicy", c.dns_policy);
    v("nodeSelector", c.node_selector);
    v("serviceAccountName", c.service_account_name);
    v.alias("serviceAccount", c.service_account_name);
    v("automountServiceAccountToken", c.automount_service_account_token);
    v("nodeName", c.node_name);
    v("hostNetwork", c.host_network);
    v("hostPID", c.host_pid);
    v("hostIPC", c.host_ipc);
    v("shareProcessNamespace", c.share_process_namespace);
    v("securityContext", c.security_context);
    v.wrapped("imagePullSecrets", c.image_pull_secrets, "name");
    v("hostname", c.hostname);
    v("subdomain", c.subdomain);
    affinity(v, c);
    v("schedulerName", c.scheduler_name);
    v("tolerations", c.tolerations);
    v("hostAliases", c.host_aliases);
    v("priorityClassName", c.priority_class_name);
    v("priority", c.priority);
    v("dnsConfig", c.dns_config);
    v("readinessGates", c.readiness_gates);
    v("runtimeClassName", c.runtime_class_name);
    v("enableServiceLinks", c.enable_service_links);
    v("preemptionPolicy", c.preemption_policy);
    v("overhead", c.overhead);
    v("setHostnameAsFQDN", c.set_hostname_as_fqdn);
    v.wrapped("os", c.os_name, "name");
    v("hostUsers", c.host_users);
    v("resources", c.resources);
    v("hostnameOverride", c.hostname_override);
    v.ignored({"topologySpreadConstraints", "schedulingGates", "resourceClaims", "workloadRef"});
  }

 private:
  // Only the required node affinity matters to a node; the rest is the scheduler's.
  template <class V, class C>
  static void affinity(V& v, C& c) {
    v.object("affinity", [&](V& affinity) {
      affinity.object("nodeAffinity", [&](V& node) {
        node.object("requiredDuringSchedulingIgnoredDuringExecution", [&](V& required) {
          if constexpr (V::kDecoding) c.required_node_affinity.emplace();
          required("nodeSelectorTerms", c.required_node_affinity);
        });
        node.ignored({"preferredDuringSchedulingIgnoredDuringExecution"});
      });
      affinity.ignored({"podAffinity", "podAntiAffinity"});
    });
  }
};

}  // namespace keelson::api
