#include <algorithm>
#include <set>

#include "api/validate_parts.h"

namespace keelson::api {
namespace {

constexpr size_t kMaxRestartRules = 20;
constexpr size_t kMaxExitCodes = 255;

void validatePorts(const std::vector<ContainerPort>& ports, const FieldPath& path, FieldErrors& errors) {
  std::set<std::string> names;
  for (size_t i = 0; i < ports.size(); ++i) {
    const ContainerPort& port = ports[i];
    const FieldPath item = path.index(i);
    if (!port.name.empty()) {
      const NameErrors wrong = checkPortName(port.name);
      errors.invalid(item.child("name"), port.name, wrong);
      if (wrong.empty() && !names.insert(port.name).second) errors.duplicate(item.child("name"), port.name);
    }
    if (port.container_port == 0) {
      errors.required(item.child("containerPort"));
    } else {
      for (const auto& error : checkPortNumber(port.container_port)) {
        errors.invalid(item.child("containerPort"), port.container_port, error);
      }
    }
    if (port.host_port != 0) {
      for (const auto& error : checkPortNumber(port.host_port)) {
        errors.invalid(item.child("hostPort"), port.host_port, error);
      }
    }
    if (port.protocol.empty()) {
      errors.required(item.child("protocol"));
    } else {
      errors.requireOneOf(item.child("protocol"), port.protocol, {"SCTP", "TCP", "UDP"});
    }
    if (!port.host_ip.empty()) errors.invalid(item.child("hostIP"), port.host_ip, checkIp(port.host_ip));
  }
}

// Two ports of the set may not ask for one protocol, address and host port.
class HostPorts {
 public:
  void add(const Container& container, const FieldPath& path, FieldErrors& errors) {
    for (size_t i = 0; i < container.ports.size(); ++i) {
      const ContainerPort& port = container.ports[i];
      if (port.host_port == 0) continue;
      const std::string key = fmt::format("{}/{}/{}", port.protocol, port.host_ip, port.host_port);
      if (!seen_.insert(key).second) errors.duplicate(path.child("ports").index(i).child("hostPort"), key);
    }
  }

 private:
  std::set<std::string> seen_;
};

void validateSubPath(const VolumeMount& mount, const Volume* volume, const FieldPath& path,
                     FieldErrors& errors) {
  if (!mount.sub_path.empty()) validateDescendingPath(mount.sub_path, path.child("subPath"), errors);
  if (mount.sub_path_expr.empty()) return;
  if (!mount.sub_path.empty()) {
    errors.invalid(path.child("subPathExpr"), mount.sub_path_expr,
                   "subPathExpr and subPath are mutually exclusive");
  }
  if (volume != nullptr && volume->image) {
    errors.invalid(path.child("subPathExpr"), mount.sub_path_expr, "not allowed in image volume sources");
  }
  validateDescendingPath(mount.sub_path_expr, path.child("subPathExpr"), errors);
}

void validatePropagation(const VolumeMount& mount, const Container& container, const FieldPath& path,
                         FieldErrors& errors) {
  if (!mount.mount_propagation.empty()) {
    const FieldPath field = path.child("mountPropagation");
    errors.requireOneOf(field, mount.mount_propagation, {"Bidirectional", "HostToContainer", "None"});
    const bool privileged =
        container.security_context && container.security_context->privileged.value_or(false);
    if (mount.mount_propagation == "Bidirectional" && !privileged) {
      errors.forbidden(field, "Bidirectional mount propagation is available only to privileged containers");
    }
  }
  if (mount.recursive_read_only.empty()) return;
  const FieldPath field = path.child("recursiveReadOnly");
  errors.requireOneOf(field, mount.recursive_read_only, {"Disabled", "Enabled", "IfPossible"});
  if (mount.recursive_read_only != "Enabled" && mount.recursive_read_only != "IfPossible") return;
  if (!mount.read_only) errors.forbidden(field, "may only be specified when readOnly is true");
  if (!mount.mount_propagation.empty() && mount.mount_propagation != "None") {
    errors.forbidden(field, "may only be specified when mountPropagation is None or not specified");
  }
}

void validateMounts(const Container& container, const VolumesByName& volumes, const FieldPath& path,
                    FieldErrors& errors) {
  std::set<std::string> targets;
  for (size_t i = 0; i < container.volume_mounts.size(); ++i) {
    const VolumeMount& mount = container.volume_mounts[i];
    const FieldPath item = path.index(i);
    const auto found = volumes.find(mount.name);
    if (mount.name.empty()) {
      errors.required(item.child("name"));
    } else if (found == volumes.end()) {
      errors.notFound(item.child("name"), mount.name);
    }
    if (mount.mount_path.empty()) {
      errors.required(item.child("mountPath"));
    } else if (!targets.insert(mount.mount_path).second) {
      errors.invalid(item.child("mountPath"), mount.mount_path, "must be unique");
    }
    validateSubPath(mount, found == volumes.end() ? nullptr : found->second, item, errors);
    validatePropagation(mount, container, item, errors);
  }
}

void validateDevices(const Container& container, const VolumesByName& volumes, const FieldPath& path,
                     FieldErrors& errors) {
  std::set<std::string> names;
  std::set<std::string> targets;
  for (const auto& mount : container.volume_mounts) {
    names.insert(mount.name);
    targets.insert(mount.mount_path);
  }
  for (size_t i = 0; i < container.volume_devices.size(); ++i) {
    const VolumeDevice& device = container.volume_devices[i];
    const FieldPath item = path.index(i);
    const auto found = volumes.find(device.name);
    if (device.name.empty()) {
      errors.required(item.child("name"));
    } else if (found == volumes.end()) {
      errors.notFound(item.child("name"), device.name);
    } else if (!found->second->persistent_volume_claim && found->second->unsupported_source != "ephemeral") {
      errors.invalid(item.child("name"), device.name,
                     "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode");
    }
    if (!device.name.empty() && !names.insert(device.name).second) {
      errors.invalid(item.child("name"), device.name, "must be unique");
    }
    if (device.device_path.empty()) {
      errors.required(item.child("devicePath"));
      continue;
    }
    validateNoBacksteps(device.device_path, item.child("devicePath"), errors);
    if (!targets.insert(device.device_path).second) {
      errors.invalid(item.child("devicePath"), device.device_path, "must be unique");
    }
  }
}

void validateResizePolicy(const Container& container, const PodSpec& spec, const FieldPath& path,
                          FieldErrors& errors) {
  std::set<std::string> seen;
  for (size_t i = 0; i < container.resize_policy.size(); ++i) {
    const ContainerResizePolicy& policy = container.resize_policy[i];
    const FieldPath item = path.index(i);
    if (!seen.insert(policy.resource_name).second) errors.duplicate(item, policy.resource_name);
    errors.requireOneOf(item.child("resourceName"), policy.resource_name, {"cpu", "memory"});
    errors.requireOneOf(item.child("restartPolicy"), policy.restart_policy,
                        {"NotRequired", "RestartContainer"});
    if (spec.restart_policy == "Never" && policy.restart_policy != "NotRequired") {
      errors.invalid(item.child("restartPolicy"), policy.restart_policy,
                     "must be 'NotRequired' when `restartPolicy` is 'Never'");
    }
  }
}

// restartPolicy and restartPolicyRules of one container (KEP-5307).
void validateRestart(const Container& container, const FieldPath& path, FieldErrors& errors) {
  if (!container.restart_policy.empty()) {
    errors.requireOneOf(path.child("restartPolicy"), container.restart_policy,
                        {"Always", "Never", "OnFailure"});
  }
  const auto& rules = container.restart_policy_rules;
  if (rules.empty()) return;
  const FieldPath list = path.child("restartPolicyRules");
  if (container.restart_policy.empty()) {
    errors.required(path.child("restartPolicy"), "must specify restartPolicy when restart rules are used");
  }
  if (rules.size() > kMaxRestartRules) {
    errors.add(fmt::format("{}: Too many: {}: must have at most {} items", list.str(), rules.size(),
                           kMaxRestartRules));
  }
  for (size_t i = 0; i < rules.size(); ++i) {
    const FieldPath item = list.index(i);
    errors.requireOneOf(item.child("action"), rules[i].action, {"Restart", "RestartAllContainers"});
    if (!rules[i].exit_codes) {
      errors.required(item.child("exitCodes"), "must be specified");
      continue;
    }
    const FieldPath codes = item.child("exitCodes");
    errors.requireOneOf(codes.child("operator"), rules[i].exit_codes->operator_, {"In", "NotIn"});
    if (rules[i].exit_codes->values.empty())
      errors.required(codes.child("values"), "must have at least one value");
    if (rules[i].exit_codes->values.size() > kMaxExitCodes) {
      errors.add(fmt::format("{}: Too many: {}: must have at most {} items", codes.child("values").str(),
                             rules[i].exit_codes->values.size(), kMaxExitCodes));
    }
  }
}

bool isPadded(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n\v\f";
  return kBlanks.find(text.front()) != std::string_view::npos ||
         kBlanks.find(text.back()) != std::string_view::npos;
}

void validateCommon(const Container& container, const PodSpec& spec, const VolumesByName& volumes,
                    const FieldPath& path, FieldErrors& errors) {
  if (container.name.empty()) {
    errors.required(path.child("name"));
  } else {
    errors.invalid(path.child("name"), container.name, checkDnsLabel(container.name));
  }
  if (container.image.empty()) {
    errors.required(path.child("image"));
  } else if (isPadded(container.image)) {
    errors.invalid(path.child("image"), container.image, "must not have leading or trailing whitespace");
  }
  errors.requireOneOf(path.child("terminationMessagePolicy"), container.termination_message_policy,
                      {"File", "FallbackToLogsOnError"});
  errors.requireOneOf(path.child("imagePullPolicy"), container.image_pull_policy,
                      {"Always", "IfNotPresent", "Never"});
  validatePorts(container.ports, path.child("ports"), errors);
  validateEnv(container, path, errors);
  validateMounts(container, volumes, path.child("volumeMounts"), errors);
  validateDevices(container, volumes, path.child("volumeDevices"), errors);
  validateResources(container.resources, path.child("resources"), errors);
  validateResizePolicy(container, spec, path.child("resizePolicy"), errors);
  if (container.security_context) {
    validateSecurityContext(*container.security_context, spec, path.child("securityContext"), errors);
  }
  validateRestart(container, path, errors);
}

void forbidProbes(const Container& container, std::string_view why, const FieldPath& path,
                  FieldErrors& errors) {
  if (container.lifecycle) errors.forbidden(path.child("lifecycle"), why);
  if (container.liveness_probe) errors.forbidden(path.child("livenessProbe"), why);
  if (container.readiness_probe) errors.forbidden(path.child("readinessProbe"), why);
  if (container.startup_probe) errors.forbidden(path.child("startupProbe"), why);
}

// Ephemeral containers are for looking at a pod: nothing of it may depend on them.
void validateEphemeral(const EphemeralContainer& container, const FieldPath& path, FieldErrors& errors) {
  constexpr std::string_view kNotHere = "cannot be set for an Ephemeral Container";
  const Container& common = container.common;
  if (!common.ports.empty()) errors.forbidden(path.child("ports"), kNotHere);
  if (common.resources != ResourceRequirements()) errors.forbidden(path.child("resources"), kNotHere);
  forbidProbes(common, kNotHere, path, errors);
  for (size_t i = 0; i < common.volume_mounts.size(); ++i) {
    const FieldPath mount = path.child("volumeMounts").index(i);
    if (!common.volume_mounts[i].sub_path.empty()) errors.forbidden(mount.child("subPath"), kNotHere);
    if (!common.volume_mounts[i].sub_path_expr.empty())
      errors.forbidden(mount.child("subPathExpr"), kNotHere);
  }
}

}  // namespace

void validateContainers(const PodSpec& spec, const VolumesByName& volumes, const FieldPath& spec_path,
                        FieldErrors& errors) {
  std::set<std::string> names;
  const auto claimName = [&](const Container& container, const FieldPath& path) {
    if (!container.name.empty() && !names.insert(container.name).second) {
      errors.duplicate(path.child("name"), container.name);
    }
  };

  const FieldPath containers = spec_path.child("containers");
  if (spec.containers.empty()) errors.required(containers);
  HostPorts host_ports;
  for (size_t i = 0; i < spec.containers.size(); ++i) {
    const FieldPath path = containers.index(i);
    validateCommon(spec.containers[i], spec, volumes, path, errors);
    claimName(spec.containers[i], path);
    validateProbes(spec.containers[i], spec, path, errors);
    host_ports.add(spec.containers[i], path, errors);
  }

  for (size_t i = 0; i < spec.init_containers.size(); ++i) {
    const Container& container = spec.init_containers[i];
    const FieldPath path = spec_path.child("initContainers").index(i);
    validateCommon(container, spec, volumes, path, errors);
    claimName(container, path);
    HostPorts own_ports;  // init containers run one by one
    own_ports.add(container, path, errors);
    if (container.restart_policy == "Always") {
      validateProbes(container, spec, path, errors);
    } else {
      forbidProbes(container, "may not be set for init containers without restartPolicy=Always", path,
                   errors);
    }
  }

  const std::set<std::string> targets = names;
  for (size_t i = 0; i < spec.ephemeral_containers.size(); ++i) {
    const EphemeralContainer& container = spec.ephemeral_containers[i];
    const FieldPath path = spec_path.child("ephemeralContainers").index(i);
    validateCommon(container.common, spec, volumes, path, errors);
    claimName(container.common, path);
    if (!container.target_container_name.empty() && !targets.contains(container.target_container_name)) {
      errors.notFound(path.child("targetContainerName"), container.target_container_name);
    }
    validateEphemeral(container, path, errors);
  }
}

}  // namespace keelson::api
