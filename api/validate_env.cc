#include <algorithm>
#include <array>

#include "api/validate_parts.h"

namespace keelson::api {
namespace {

// What the downward API may name at all (ConvertDownwardAPIFieldLabel in Kubernetes).
constexpr std::array<std::string_view, 15> kDownwardFields{
    "metadata.annotations", "metadata.labels", "metadata.name",      "metadata.namespace",
    "metadata.uid",         "spec.nodeName",   "spec.restartPolicy", "spec.serviceAccountName",
    "spec.schedulerName",   "spec.host",       "status.phase",       "status.hostIP",
    "status.hostIPs",       "status.podIP",    "status.podIPs"};

struct Subscripted {
  std::string_view path;
  std::string_view key;
  bool has_key = false;
};

// "metadata.labels['app']" in two.
Subscripted splitSubscript(std::string_view text) {
  const size_t open = text.find("['");
  if (open == std::string_view::npos || open == 0 || !text.ends_with("']") || open + 4 > text.size()) {
    return {text, {}, false};
  }
  return {text.substr(0, open), text.substr(open + 2, text.size() - open - 4), true};
}

void validateObjectKey(const std::optional<KeySelector>& selector, const FieldPath& path,
                       FieldErrors& errors) {
  if (!selector) return;
  errors.invalid(path.child("name"), selector->name, checkDnsSubdomain(selector->name));
  if (selector->key.empty()) return errors.required(path.child("key"));
  errors.invalid(path.child("key"), selector->key, checkConfigMapKey(selector->key));
}

void validateFileKey(const std::optional<FileKeySelector>& selector, const FieldPath& path,
                     FieldErrors& errors) {
  if (!selector) return;
  if (selector->volume_name.empty()) errors.required(path.child("volumeName"));
  if (selector->key.empty()) errors.required(path.child("key"));
  if (selector->path.empty()) return errors.required(path.child("path"));
  validateDescendingPath(selector->path, path.child("path"), errors);
}

void validateValueFrom(const EnvVar& env, const FieldPath& path, FieldErrors& errors) {
  const EnvVarSource& from = *env.value_from;
  if (from.field_ref) {
    validateFieldRef(
        *from.field_ref,
        {"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
         "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"},
        path.child("fieldRef"), errors);
  }
  if (from.resource_field_ref) {
    validateResourceFieldRef(*from.resource_field_ref, ContainerNameRule::kOptional,
                             path.child("resourceFieldRef"), errors);
  }
  validateObjectKey(from.config_map_key_ref, path.child("configMapKeyRef"), errors);
  validateObjectKey(from.secret_key_ref, path.child("secretKeyRef"), errors);
  validateFileKey(from.file_key_ref, path.child("fileKeyRef"), errors);
  const int sources = int{from.field_ref.has_value()} + int{from.resource_field_ref.has_value()} +
                      int{from.config_map_key_ref.has_value()} + int{from.secret_key_ref.has_value()} +
                      int{from.file_key_ref.has_value()};
  if (sources == 0) {
    errors.invalid(
        path, "",
        "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or "
        "`fileKeyRef`");
  } else if (!env.value.empty()) {
    errors.invalid(path, "", "may not be specified when `value` is not empty");
  } else if (sources > 1) {
    errors.invalid(path, "", "may not have more than one field specified at a time");
  }
}

void validateEnvSource(const std::optional<EnvSourceRef>& source, const FieldPath& path,
                       FieldErrors& errors) {
  if (!source) return;
  if (source->name.empty()) return errors.required(path.child("name"));
  errors.invalid(path.child("name"), source->name, checkDnsSubdomain(source->name));
}

constexpr std::string_view kByteDivisors = "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei";

bool isByteDivisor(std::string_view text) {
  std::string_view rest = kByteDivisors;
  while (true) {
    const size_t comma = rest.find(", ");
    if (rest.substr(0, comma) == text) return true;
    if (comma == std::string_view::npos) return false;
    rest.remove_prefix(comma + 2);
  }
}

void validateDivisor(const ResourceFieldSelector& ref, const FieldPath& path, FieldErrors& errors) {
  if (!ref.divisor || ref.divisor->isZero()) return;
  const bool cpu = ref.resource.ends_with(".cpu");
  const std::string_view kind = cpu                                            ? "cpu"
                                : ref.resource.ends_with(".memory")            ? "memory"
                                : ref.resource.ends_with(".ephemeral-storage") ? "local ephemeral storage"
                                                                               : "hugepages";
  const std::string& text = ref.divisor->str();
  if (cpu ? text == "1m" || text == "1" : isByteDivisor(text)) return;
  errors.invalid(path.child("divisor"), ref.resource,
                 fmt::format("only divisor's values {} are supported with the {} resource",
                             cpu ? "1m and 1" : kByteDivisors, kind));
}

}  // namespace

void validateFieldRef(const ObjectFieldSelector& ref, std::initializer_list<std::string_view> supported,
                      const FieldPath& path, FieldErrors& errors) {
  if (ref.api_version.empty()) return errors.required(path.child("apiVersion"));
  if (ref.field_path.empty()) return errors.required(path.child("fieldPath"));
  const FieldPath field = path.child("fieldPath");
  const Subscripted split = splitSubscript(ref.field_path);
  const bool keyed = split.path == "metadata.annotations" || split.path == "metadata.labels";
  if (ref.api_version != "v1" ||
      std::find(kDownwardFields.begin(), kDownwardFields.end(), split.path) == kDownwardFields.end()) {
    return errors.invalid(
        field, ref.field_path,
        fmt::format("error converting fieldPath: field label not supported: {}", split.path));
  }
  if (split.has_key) {
    if (!keyed) {
      return errors.invalid(field, ref.field_path,
                            "error converting fieldPath: field label does not support subscript");
    }
    return errors.invalid(path, split.key, checkQualifiedName(split.key));
  }
  // The old name of nodeName is still converted.
  if (split.path == "spec.host") return;
  errors.requireOneOf(field, split.path, supported);
}

void validateResourceFieldRef(const ResourceFieldSelector& ref, ContainerNameRule rule, const FieldPath& path,
                              FieldErrors& errors) {
  if (rule == ContainerNameRule::kRequired && ref.container_name.empty()) {
    errors.required(path.child("containerName"));
  } else if (ref.resource.empty()) {
    errors.required(path.child("resource"));
  } else if (!ref.resource.starts_with("limits.hugepages-") &&
             !ref.resource.starts_with("requests.hugepages-")) {
    errors.requireOneOf(path.child("resource"), ref.resource,
                        {"limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu",
                         "requests.ephemeral-storage", "requests.memory"});
  }
  validateDivisor(ref, path, errors);
}

void validateEnv(const Container& container, const FieldPath& path, FieldErrors& errors) {
  for (size_t i = 0; i < container.env.size(); ++i) {
    const EnvVar& env = container.env[i];
    const FieldPath item = path.child("env").index(i);
    if (env.name.empty()) {
      errors.required(item.child("name"));
    } else {
      errors.invalid(item.child("name"), env.name, checkEnvVarName(env.name));
    }
    if (env.value_from) validateValueFrom(env, item.child("valueFrom"), errors);
  }
  for (size_t i = 0; i < container.env_from.size(); ++i) {
    const EnvFromSource& from = container.env_from[i];
    const FieldPath item = path.child("envFrom").index(i);
    if (!from.prefix.empty()) errors.invalid(item.child("prefix"), from.prefix, checkEnvVarName(from.prefix));
    validateEnvSource(from.config_map_ref, item.child("configMapRef"), errors);
    validateEnvSource(from.secret_ref, item.child("secretRef"), errors);
    if (!from.config_map_ref && !from.secret_ref) {
      errors.invalid(item, "", "must specify one of: `configMapRef` or `secretRef`");
    } else if (from.config_map_ref && from.secret_ref) {
      errors.invalid(item, "", "may not have more than one field specified at a time");
    }
  }
}

}  // namespace keelson::api
