#include <limits>

#include "api/validate.h"
#include "api/validate_parts.h"

namespace keelson::api {
namespace {

constexpr size_t kMaxNameservers = 3;
constexpr size_t kMaxSearches = 32;
constexpr size_t kMaxSearchBytes = 2048;  // with the spaces between them
constexpr size_t kMaxHostnameBytes = 64;  // HOST_NAME_MAX

void validateDns(const PodSpec& spec, const FieldPath& path, FieldErrors& errors) {
  if (spec.dns_policy == "None") {
    if (!spec.dns_config) {
      return errors.required(path, "must provide `dnsConfig` when `dnsPolicy` is None");
    }
    if (spec.dns_config->nameservers.empty()) {
      return errors.required(path.child("nameservers"),
                             "must provide at least one DNS nameserver when `dnsPolicy` is None");
    }
  }
  if (!spec.dns_config) return;
  const PodDnsConfig& dns = *spec.dns_config;
  const FieldPath servers = path.child("nameservers");
  if (dns.nameservers.size() > kMaxNameservers) {
    errors.invalid(servers, fmt::format("{}", fmt::join(dns.nameservers, " ")),
                   fmt::format("must not have more than {} nameservers", kMaxNameservers));
  }
  for (size_t i = 0; i < dns.nameservers.size(); ++i) {
    errors.invalid(servers.index(i), dns.nameservers[i], checkIp(dns.nameservers[i]));
  }
  const FieldPath searches = path.child("searches");
  const std::string joined = fmt::format("{}", fmt::join(dns.searches, " "));
  if (dns.searches.size() > kMaxSearches) {
    errors.invalid(searches, joined, fmt::format("must not have more than {} search paths", kMaxSearches));
  }
  if (joined.size() > kMaxSearchBytes) {
    errors.invalid(searches, joined,
                   fmt::format("must not have more than {} characters (including spaces) in the search list",
                               kMaxSearchBytes));
  }
  for (size_t i = 0; i < dns.searches.size(); ++i) {
    std::string_view search = dns.searches[i];
    if (search == ".") continue;
    if (search.ends_with('.')) search.remove_suffix(1);
    errors.invalid(searches.index(i), search, checkDnsSearch(search));
  }
  for (size_t i = 0; i < dns.options.size(); ++i) {
    if (dns.options[i].name.empty()) errors.required(path.child("options").index(i), "must not be empty");
  }
}

void validateHostAliases(const PodSpec& spec, const FieldPath& path, FieldErrors& errors) {
  for (size_t i = 0; i < spec.host_aliases.size(); ++i) {
    const HostAlias& alias = spec.host_aliases[i];
    errors.invalid(path.index(i).child("ip"), alias.ip, checkIp(alias.ip));
    for (size_t j = 0; j < alias.hostnames.size(); ++j) {
      errors.invalid(path.index(i).child("hostnames").index(j), alias.hostnames[j],
                     checkDnsSubdomain(alias.hostnames[j]));
    }
  }
}

void validateTolerations(const PodSpec& spec, const FieldPath& path, FieldErrors& errors) {
  for (size_t i = 0; i < spec.tolerations.size(); ++i) {
    const Toleration& one = spec.tolerations[i];
    const FieldPath item = path.index(i);
    if (!one.key.empty()) errors.invalid(item.child("key"), one.key, checkQualifiedName(one.key));
    if (one.key.empty() && one.operator_ != "Exists") {
      errors.invalid(
          item.child("operator"), one.operator_,
          "operator must be Exists when `key` is empty, which means \"match all values and all keys\"");
    }
    if (one.toleration_seconds && one.effect != "NoExecute") {
      errors.invalid(item.child("effect"), one.effect,
                     "effect must be 'NoExecute' when `tolerationSeconds` is set");
    }
    if (one.operator_.empty() || one.operator_ == "Equal") {
      errors.invalid(item.child("operator"), one.value, checkLabelValue(one.value));
    } else if (one.operator_ == "Exists") {
      if (!one.value.empty()) {
        errors.invalid(item.child("operator"), one.value, "value must be empty when `operator` is 'Exists'");
      }
    } else {
      errors.requireOneOf(item.child("operator"), one.operator_, {"Equal", "Exists"});
    }
    if (!one.effect.empty()) {
      errors.requireOneOf(item.child("effect"), one.effect, {"NoSchedule", "PreferNoSchedule", "NoExecute"});
    }
  }
}

void validateExpression(const NodeSelectorRequirement& one, const FieldPath& path, FieldErrors& errors) {
  const std::string& op = one.operator_;
  if (op == "In" || op == "NotIn") {
    if (one.values.empty()) {
      errors.required(path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'");
    }
  } else if (op == "Exists" || op == "DoesNotExist") {
    if (!one.values.empty()) {
      errors.forbidden(path.child("values"),
                       "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    }
  } else if (op == "Gt" || op == "Lt") {
    if (one.values.size() != 1) {
      errors.required(path.child("values"), "must be specified single value when `operator` is 'Lt' or 'Gt'");
    }
  } else {
    errors.invalid(path.child("operator"), op, "not a valid selector operator");
  }
  errors.invalid(path.child("key"), one.key, checkQualifiedName(one.key));
  for (size_t i = 0; i < one.values.size(); ++i) {
    errors.invalid(path.child("values").index(i), one.values[i], checkLabelValue(one.values[i]));
  }
}

void validateFieldExpression(const NodeSelectorRequirement& one, const FieldPath& path, FieldErrors& errors) {
  if (one.operator_ != "In" && one.operator_ != "NotIn") {
    errors.invalid(path.child("operator"), one.operator_, "not a valid selector operator");
  } else if (one.values.size() != 1) {
    errors.required(path.child("values"),
                    "must be only one value when `operator` is 'In' or 'NotIn' for node field selector");
  }
  if (one.key != "metadata.name") {
    return errors.invalid(path.child("key"), one.key, "not a valid field selector key");
  }
  for (size_t i = 0; i < one.values.size(); ++i) {
    errors.invalid(path.child("values").index(i), one.values[i], checkDnsSubdomain(one.values[i]));
  }
}

void validateAffinity(const PodSpec& spec, const FieldPath& path, FieldErrors& errors) {
  if (!spec.required_node_affinity) return;
  const FieldPath terms = path.child("affinity")
                              .child("nodeAffinity")
                              .child("requiredDuringSchedulingIgnoredDuringExecution")
                              .child("nodeSelectorTerms");
  if (spec.required_node_affinity->empty()) {
    return errors.required(terms, "must have at least one node selector term");
  }
  for (size_t i = 0; i < spec.required_node_affinity->size(); ++i) {
    const NodeSelectorTerm& term = (*spec.required_node_affinity)[i];
    for (size_t j = 0; j < term.match_expressions.size(); ++j) {
      validateExpression(term.match_expressions[j], terms.index(i).child("matchExpressions").index(j),
                         errors);
    }
    for (size_t j = 0; j < term.match_fields.size(); ++j) {
      validateFieldExpression(term.match_fields[j], terms.index(i).child("matchFields").index(j), errors);
    }
  }
}

void validateNames(const PodSpec& spec, const FieldPath& path, FieldErrors& errors) {
  const auto optional = [&](std::string_view field, const std::string& value, NameCheck check) {
    if (!value.empty()) errors.invalid(path.child(field), value, check(value));
  };
  optional("serviceAccountName", spec.service_account_name, checkDnsSubdomain);
  optional("nodeName", spec.node_name, checkDnsSubdomain);
  optional("hostname", spec.hostname, checkDnsLabel);
  optional("subdomain", spec.subdomain, checkDnsLabel);
  optional("priorityClassName", spec.priority_class_name, checkDnsSubdomain);
  optional("runtimeClassName", spec.runtime_class_name, checkDnsSubdomain);
  for (size_t i = 0; i < spec.readiness_gates.size(); ++i) {
    const std::string& type = spec.readiness_gates[i].condition_type;
    errors.invalid(path.child("readinessGates").index(i).child("conditionType"), type,
                   checkQualifiedName(type));
  }
  if (!spec.hostname_override) return;
  const FieldPath field = path.child("hostnameOverride");
  errors.invalid(field, *spec.hostname_override, checkDnsSubdomain(*spec.hostname_override));
  if (spec.hostname_override->size() > kMaxHostnameBytes) errors.tooLong(field, kMaxHostnameBytes);
  if (spec.host_network) errors.forbidden(field, "cannot be set when `hostNetwork` is true");
  if (spec.set_hostname_as_fqdn.value_or(false)) {
    errors.forbidden(field, "cannot be set when `setHostnameAsFQDN` is true");
  }
}

void validateHostNetworkPorts(const PodSpec& spec, const FieldPath& path, FieldErrors& errors) {
  if (!spec.host_network) return;
  for (size_t i = 0; i < spec.containers.size(); ++i) {
    const auto& ports = spec.containers[i].ports;
    for (size_t j = 0; j < ports.size(); ++j) {
      if (ports[j].host_port == ports[j].container_port) continue;
      errors.invalid(path.child("containers").index(i).child("ports").index(j).child("hostPort"),
                     ports[j].host_port, "must match `containerPort` when `hostNetwork` is true");
    }
  }
}

void validateTimes(const PodSpec& spec, const FieldPath& path, FieldErrors& errors) {
  const FieldPath grace = path.child("terminationGracePeriodSeconds");
  if (!spec.termination_grace_period_seconds) {
    errors.required(grace);
  } else if (*spec.termination_grace_period_seconds < 0) {
    errors.invalid(grace, *spec.termination_grace_period_seconds, kMustNotBeNegative);
  }
  if (!spec.active_deadline_seconds) return;
  for (const auto& error :
       checkRange(*spec.active_deadline_seconds, 1, std::numeric_limits<int32_t>::max())) {
    errors.invalid(path.child("activeDeadlineSeconds"), *spec.active_deadline_seconds, error);
  }
}

void validateTokenSources(const PodSpec& spec, const FieldPath& path, FieldErrors& errors) {
  if (!spec.service_account_name.empty()) return;
  for (size_t i = 0; i < spec.volumes.size(); ++i) {
    if (!spec.volumes[i].projected) continue;
    const auto& sources = spec.volumes[i].projected->sources;
    for (size_t j = 0; j < sources.size(); ++j) {
      if (!sources[j].service_account_token) continue;
      errors.forbidden(path.child("volumes")
                           .index(i)
                           .child("projected")
                           .child("sources")
                           .index(j)
                           .child("serviceAccountToken"),
                       "must not be specified when serviceAccountName is not set");
    }
  }
}

void validateSpec(const PodSpec& spec, const FieldPath& path, FieldErrors& errors) {
  const VolumesByName volumes = validateVolumes(spec.volumes, path.child("volumes"), errors);
  validateContainers(spec, volumes, path, errors);
  validatePodResources(spec, path.child("resources"), errors);
  validateHostNetworkPorts(spec, path, errors);
  errors.requireOneOf(path.child("restartPolicy"), spec.restart_policy, {"Always", "OnFailure", "Never"});
  errors.requireOneOf(path.child("dnsPolicy"), spec.dns_policy,
                      {"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"});
  validateLabels(spec.node_selector, path.child("nodeSelector"), errors);
  validatePodSecurityContext(spec, path, errors);
  validateAffinity(spec, path, errors);
  validateDns(spec, path.child("dnsConfig"), errors);
  validateTimes(spec, path, errors);
  validateNames(spec, path, errors);
  validateTolerations(spec, path.child("tolerations"), errors);
  validateHostAliases(spec, path.child("hostAliases"), errors);
  validateTokenSources(spec, path, errors);
  if (!spec.preemption_policy.empty()) {
    errors.requireOneOf(path.child("preemptionPolicy"), spec.preemption_policy,
                        {"PreemptLowerPriority", "Never"});
  }
  if (!spec.overhead.empty()) {
    ResourceRequirements overhead;
    overhead.limits = spec.overhead;
    validateResources(overhead, path.child("overhead"), errors);
  }
  if (spec.os_name) errors.requireOneOf(path.child("os").child("name"), *spec.os_name, {"linux", "windows"});
}

}  // namespace

Result<void> validatePod(const Pod& pod) {
  FieldErrors errors;
  validateMeta(pod.metadata, Scope::kNamespaced, checkDnsSubdomain, errors);
  validateSpec(pod.spec, FieldPath("spec"), errors);
  if (!pod.spec.ephemeral_containers.empty()) {
    errors.forbidden(FieldPath("spec").child("ephemeralContainers"), "cannot be set on create");
  }
  return errors.result();
}

}  // namespace keelson::api
