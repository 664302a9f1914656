#include "kubelet/container_env.h"

#include <fmt/ranges.h>

#include <map>
#include <optional>

#include "api/names.h"
#include "kubelet/required_objects.h"
#include "kubelet/service_env.h"
#include "runtime/expand.h"

namespace keelson::kubelet {
namespace {

constexpr char kMasterNamespace[] = "default";
constexpr char kMasterService[] = "kubernetes";

// Collects the variables of one container.
class EnvBuilder {
 public:
  EnvBuilder(const api::Pod& pod, const api::Container& container, const DownwardFacts& facts,
             const PodObjects& objects)
      : pod_(pod), container_(container), facts_(facts), objects_(objects) {}

  Result<ResolvedEnv> build() {
    const auto services = TRY(serviceVariables());
    known_ = services;
    for (const auto& source : container_.env_from) TRY(addAll(source));
    for (const auto& variable : container_.env) {
      auto value = TRY(valueOf(variable));
      if (value) TRY(set(variable.name, std::move(*value)));
    }
    for (const auto& [name, value] : services) {
      if (!at_.count(name)) TRY(set(name, value));
    }
    return std::move(out_);
  }

 private:
  Result<std::map<std::string, std::string>> serviceVariables() const {
    if (!objects_.servicesKnown()) {
      return makeError(Code::kUnavailable,
                       "services have not yet been read at least once, cannot construct envvars");
    }
    auto variables = std::map<std::string, std::string>();
    for (const auto& service : objects_.services(kMasterNamespace)) {
      if (service->metadata.name == kMasterService) variables = serviceEnv({service});
    }
    if (!pod_.spec.enable_service_links.value_or(true)) return variables;
    for (auto& [name, value] : serviceEnv(objects_.services(objects_.nameSpace())))
      variables.insert_or_assign(name, value);
    return variables;
  }

  Result<void> set(const std::string& name, std::string value) {
    if (value.find('\0') != std::string::npos) {
      return makeError(Code::kInvalidArgument, "environment variable {} contains a NUL byte", name);
    }
    bytes_ += name.size() + value.size() + 2;
    if (bytes_ > kMaxEnvBytes) {
      return makeError(Code::kResourceExhausted, "the environment is larger than {} bytes", kMaxEnvBytes);
    }
    known_[name] = value;
    const auto [at, is_new] = at_.emplace(name, out_.env.size());
    if (is_new) {
      out_.env.emplace_back(name, std::move(value));
    } else {
      out_.env[at->second].second = std::move(value);
    }
    return {};
  }

  Result<void> addAll(const api::EnvFromSource& source) {
    if (source.config_map_ref) {
      const auto& ref = *source.config_map_ref;
      const auto found = TRY(needConfigMap(objects_, ref.name, needOf(ref.optional)));
      if (found) TRY(addData(found->data, source.prefix, "configMap", ref.name));
    }
    if (source.secret_ref) {
      const auto& ref = *source.secret_ref;
      const auto found = TRY(needSecret(objects_, ref.name, needOf(ref.optional)));
      if (found) TRY(addData(found->data, source.prefix, "secret", ref.name));
    }
    return {};
  }

  Result<void> addData(const api::StringMap& data, const std::string& prefix, const char* kind,
                       const std::string& name) {
    std::vector<std::string> invalid;
    for (const auto& [key, value] : data) {
      const std::string variable = prefix + key;
      if (api::checkEnvVarName(variable).empty()) {
        TRY(set(variable, value));
      } else {
        invalid.push_back(variable);
      }
    }
    if (invalid.empty()) return {};
    out_.notes.push_back(
        {"InvalidEnvironmentVariableNames",
         fmt::format("Keys [{}] from the EnvFrom {} {}/{} were skipped since they are considered invalid "
                     "environment variable names.",
                     fmt::join(invalid, ", "), kind, pod_.metadata.namespace_, name)});
    return {};
  }

  // nullopt: an optional source is absent, the variable is not set.
  Result<std::optional<std::string>> valueOf(const api::EnvVar& variable) const {
    using Value = std::optional<std::string>;
    if (!variable.value.empty() || !variable.value_from) {
      return Value(runtime::expandVariables(variable.value, known_));
    }
    const api::EnvVarSource& source = *variable.value_from;
    if (source.field_ref) return Value(TRY(downwardField(pod_, source.field_ref->field_path, facts_)));
    if (source.resource_field_ref) {
      return Value(TRY(downwardResource(pod_, container_, *source.resource_field_ref, facts_)));
    }
    if (const auto& ref = source.config_map_key_ref) {
      const auto found = TRY(needConfigMap(objects_, ref->name, needOf(ref->optional)));
      return key(found ? &found->data : nullptr, *ref, "ConfigMap");
    }
    if (const auto& ref = source.secret_key_ref) {
      const auto found = TRY(needSecret(objects_, ref->name, needOf(ref->optional)));
      return key(found ? &found->data : nullptr, *ref, "Secret");
    }
    return makeError(Code::kUnsupported, "env {}: valueFrom.fileKeyRef is not served by this node",
                     variable.name);
  }

  Result<std::optional<std::string>> key(const api::StringMap* data, const api::KeySelector& ref,
                                         const char* kind) const {
    if (data != nullptr) {
      const auto found = data->find(ref.key);
      if (found != data->end()) return std::optional<std::string>(found->second);
    }
    if (ref.optional.value_or(false)) return std::optional<std::string>();
    return makeError(Code::kNotFound, "couldn't find key {} in {} {}/{}", ref.key, kind,
                     pod_.metadata.namespace_, ref.name);
  }

  const api::Pod& pod_;
  const api::Container& container_;
  const DownwardFacts& facts_;
  const PodObjects& objects_;
  std::map<std::string, std::string> known_;  // what references may name
  std::map<std::string, size_t> at_;          // in out_.env
  size_t bytes_ = 0;
  ResolvedEnv out_;
};

}  // namespace

Result<ResolvedEnv> resolveEnv(const api::Pod& pod, const api::Container& container,
                               const DownwardFacts& facts, const PodObjects& objects) {
  return EnvBuilder(pod, container, facts, objects).build();
}

}  // namespace keelson::kubelet
