#include "kubelet/container_env.h"

#include <fmt/ranges.h>

#include <map>
#include <optional>

#include "runtime/expand.h"

namespace keelson::kubelet {
namespace {

std::string first(const std::vector<std::string>& list) { return list.empty() ? "" : list.front(); }

// "metadata.labels['key']" -> key; nullopt if `path` is not of that form.
std::optional<std::string> subscript(const std::string& path, const std::string& prefix) {
  const std::string open = prefix + "['";
  if (path.rfind(open, 0) != 0 || path.size() < open.size() + 2) return std::nullopt;
  if (path.compare(path.size() - 2, 2, "']") != 0) return std::nullopt;
  return path.substr(open.size(), path.size() - open.size() - 2);
}

std::string lookUp(const api::StringMap& map, const std::string& key) {
  const auto found = map.find(key);
  return found == map.end() ? "" : found->second;
}

Result<std::string> valueFrom(const api::Pod& pod, const api::Container& container,
                              const api::EnvVar& variable, const DownwardFacts& facts) {
  const api::EnvVarSource& source = *variable.value_from;
  if (source.field_ref) return downwardField(pod, source.field_ref->field_path, facts);
  if (source.resource_field_ref) return downwardResource(pod, container, *source.resource_field_ref, facts);
  const char* kind = source.config_map_key_ref ? "configMapKeyRef"
                     : source.secret_key_ref   ? "secretKeyRef"
                                               : "fileKeyRef";
  return makeError(Code::kUnsupported, "env {}: valueFrom.{} is not served by this node", variable.name,
                   kind);
}

}  // namespace

Result<std::string> downwardField(const api::Pod& pod, const std::string& path, const DownwardFacts& facts) {
  if (path == "metadata.name") return pod.metadata.name;
  if (path == "metadata.namespace") return pod.metadata.namespace_;
  if (path == "metadata.uid") return pod.metadata.uid;
  if (path == "spec.nodeName") return pod.spec.node_name;
  if (path == "spec.serviceAccountName") return pod.spec.service_account_name;
  if (path == "status.hostIP") return first(facts.host_ips);
  if (path == "status.hostIPs") return fmt::format("{}", fmt::join(facts.host_ips, ","));
  if (path == "status.podIP") return first(facts.pod_ips);
  if (path == "status.podIPs") return fmt::format("{}", fmt::join(facts.pod_ips, ","));
  if (const auto key = subscript(path, "metadata.labels")) return lookUp(pod.metadata.labels, *key);
  if (const auto key = subscript(path, "metadata.annotations")) return lookUp(pod.metadata.annotations, *key);
  return makeError(Code::kInvalidArgument, "unsupported fieldPath: {}", path);
}

Result<std::string> downwardResource(const api::Pod& pod, const api::Container& container,
                                     const api::ResourceFieldSelector& field, const DownwardFacts& facts) {
  const api::Container* of = &container;
  if (!field.container_name.empty() && field.container_name != container.name) {
    of = nullptr;
    for (const auto* list : {&pod.spec.init_containers, &pod.spec.containers}) {
      for (const auto& other : *list) {
        if (other.name == field.container_name) of = &other;
      }
    }
    if (of == nullptr)
      return makeError(Code::kInvalidArgument, "container {} not found", field.container_name);
  }
  const size_t dot = field.resource.find('.');
  const std::string side = field.resource.substr(0, dot);
  const std::string name = dot == std::string::npos ? "" : field.resource.substr(dot + 1);
  if (name.empty() || (side != "limits" && side != "requests")) {
    return makeError(Code::kInvalidArgument, "unsupported container resource: {}", field.resource);
  }
  const api::ResourceList& list = side == "limits" ? of->resources.limits : of->resources.requests;
  const auto found = list.find(name);
  api::Quantity quantity;
  if (found != list.end()) {
    quantity = found->second;
  } else if (side == "limits" && name == "cpu") {
    quantity = api::Quantity::ofMilli(facts.node_cpu.value);
  } else if (side == "limits" && name == "memory") {
    quantity = api::Quantity::of(facts.node_memory.value);
  }
  // Kubernetes counts cpu in thousandths here and everything else in whole units; both rounded up.
  const bool cpu = name == "cpu";
  const api::Quantity one = api::Quantity::of(1);
  const api::Quantity& divisor = field.divisor && !field.divisor->isZero() ? *field.divisor : one;
  const int64_t amount = cpu ? quantity.milliValue() : quantity.value();
  const int64_t unit = std::max<int64_t>(1, cpu ? divisor.milliValue() : divisor.value());
  return std::to_string(amount / unit + (amount % unit != 0 ? 1 : 0));
}

Result<Env> resolveEnv(const api::Pod& pod, const api::Container& container, const DownwardFacts& facts) {
  if (!container.env_from.empty()) {
    const auto& source = container.env_from.front();
    return makeError(Code::kUnsupported, "envFrom: {} is not served by this node",
                     source.config_map_ref ? "configMapRef" : "secretRef");
  }
  Env env;
  std::map<std::string, std::string> known;
  for (const auto& variable : container.env) {
    std::string value = variable.value_from ? TRY(valueFrom(pod, container, variable, facts))
                                            : runtime::expandVariables(variable.value, known);
    known[variable.name] = value;
    env.emplace_back(variable.name, std::move(value));
  }
  return env;
}

}  // namespace keelson::kubelet
