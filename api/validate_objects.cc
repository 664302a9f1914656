#include <set>

#include "api/validate.h"
#include "api/validate_parts.h"

namespace keelson::api {
namespace {

constexpr size_t kMaxDataBytes = size_t{1} << 20;  // of a ConfigMap or a Secret

size_t validateKeys(const StringMap& data, const FieldPath& path, FieldErrors& errors) {
  size_t bytes = 0;
  for (const auto& [key, value] : data) {
    errors.invalid(path.key(key), key, checkConfigMapKey(key));
    bytes += value.size();
  }
  return bytes;
}

void validateServicePorts(const ServiceSpec& spec, const FieldPath& path, FieldErrors& errors) {
  std::set<std::string> names;
  std::set<std::string> numbers;
  for (size_t i = 0; i < spec.ports.size(); ++i) {
    const ServicePort& port = spec.ports[i];
    const FieldPath item = path.index(i);
    if (port.name.empty()) {
      if (spec.ports.size() > 1) errors.required(item.child("name"));
    } else {
      errors.invalid(item.child("name"), port.name, checkDnsLabel(port.name));
      if (!names.insert(port.name).second) errors.duplicate(item.child("name"), port.name);
    }
    for (const auto& error : checkPortNumber(port.port)) errors.invalid(item.child("port"), port.port, error);
    errors.requireOneOf(item.child("protocol"), port.protocol, {"SCTP", "TCP", "UDP"});
    if (!numbers.insert(fmt::format("{}/{}", port.protocol, port.port)).second) {
      errors.duplicate(item, fmt::format("{}/{}", port.protocol, port.port));
    }
    if (const auto* number = std::get_if<int32_t>(&port.target_port)) {
      for (const auto& error : checkPortNumber(*number))
        errors.invalid(item.child("targetPort"), *number, error);
    } else {
      const auto& name = std::get<std::string>(port.target_port);
      errors.invalid(item.child("targetPort"), name, checkPortName(name));
    }
    if (port.node_port == 0) continue;
    if (spec.type != "NodePort" && spec.type != "LoadBalancer") {
      errors.forbidden(item.child("nodePort"), "may not be used when `type` is '" + spec.type + "'");
    }
    for (const auto& error : checkPortNumber(port.node_port)) {
      errors.invalid(item.child("nodePort"), port.node_port, error);
    }
  }
}

}  // namespace

Result<void> validateConfigMap(const ConfigMap& config_map) {
  FieldErrors errors;
  validateMeta(config_map.metadata, Scope::kNamespaced, checkDnsSubdomain, errors);
  size_t bytes = validateKeys(config_map.data, FieldPath("data"), errors);
  bytes += validateKeys(config_map.binary_data, FieldPath("binaryData"), errors);
  for (const auto& [key, value] : config_map.binary_data) {
    if (config_map.data.contains(key)) {
      errors.invalid(FieldPath("data").key(key), key, "duplicate of key present in binaryData");
    }
  }
  if (bytes > kMaxDataBytes) errors.tooLong(FieldPath("data"), kMaxDataBytes);
  return errors.result();
}

Result<void> validateSecret(const Secret& secret) {
  FieldErrors errors;
  validateMeta(secret.metadata, Scope::kNamespaced, checkDnsSubdomain, errors);
  const FieldPath data("data");
  if (validateKeys(secret.data, data, errors) > kMaxDataBytes) errors.tooLong(data, kMaxDataBytes);
  const auto needKey = [&](std::string_view key) {
    if (!secret.data.contains(std::string(key))) errors.required(data.key(key));
  };
  if (secret.type == "kubernetes.io/dockerconfigjson") needKey(".dockerconfigjson");
  if (secret.type == "kubernetes.io/dockercfg") needKey(".dockercfg");
  if (secret.type == "kubernetes.io/tls") {
    needKey("tls.crt");
    needKey("tls.key");
  }
  return errors.result();
}

Result<void> validateService(const Service& service) {
  FieldErrors errors;
  const ServiceSpec& spec = service.spec;
  validateMeta(service.metadata, Scope::kNamespaced, checkDns1035Label, errors);
  const FieldPath path("spec");
  const bool headless = !spec.cluster_ips.empty() && spec.cluster_ips.front() == "None";
  if (spec.ports.empty() && !headless && spec.type != "ExternalName") errors.required(path.child("ports"));
  validateServicePorts(spec, path.child("ports"), errors);
  errors.requireOneOf(path.child("type"), spec.type,
                      {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"});
  errors.requireOneOf(path.child("sessionAffinity"), spec.session_affinity, {"ClientIP", "None"});
  validateLabels(spec.selector, path.child("selector"), errors);
  for (size_t i = 0; i < spec.external_ips.size(); ++i) {
    errors.invalid(path.child("externalIPs").index(i), spec.external_ips[i], checkIp(spec.external_ips[i]));
  }
  for (size_t i = 0; i < spec.cluster_ips.size() && !headless; ++i) {
    if (spec.cluster_ips[i].empty()) continue;
    errors.invalid(path.child("clusterIPs").index(i), spec.cluster_ips[i], checkIp(spec.cluster_ips[i]));
  }
  if (!spec.external_traffic_policy.empty()) {
    errors.requireOneOf(path.child("externalTrafficPolicy"), spec.external_traffic_policy,
                        {"Cluster", "Local"});
  }
  if (!spec.internal_traffic_policy.empty()) {
    errors.requireOneOf(path.child("internalTrafficPolicy"), spec.internal_traffic_policy,
                        {"Cluster", "Local"});
  }
  return errors.result();
}

Result<void> validateRuntimeClass(const RuntimeClass& runtime_class) {
  FieldErrors errors;
  validateMeta(runtime_class.metadata, Scope::kCluster, checkDnsSubdomain, errors);
  errors.invalid(FieldPath("handler"), runtime_class.handler, checkDnsLabel(runtime_class.handler));
  validateLabels(runtime_class.node_selector, FieldPath("scheduling.nodeSelector"), errors);
  return errors.result();
}

Result<void> validateObject(const Object& object) {
  struct Check {
    Result<void> operator()(const Pod& it) const { return validatePod(it); }
    Result<void> operator()(const ConfigMap& it) const { return validateConfigMap(it); }
    Result<void> operator()(const Secret& it) const { return validateSecret(it); }
    Result<void> operator()(const Service& it) const { return validateService(it); }
    Result<void> operator()(const RuntimeClass& it) const { return validateRuntimeClass(it); }
    Result<void> operator()(const Node&) const { return {}; }
    Result<void> operator()(const UnknownObject&) const { return {}; }
  };
  return std::visit(Check{}, object);
}

}  // namespace keelson::api
