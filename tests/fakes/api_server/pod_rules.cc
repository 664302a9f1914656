#include "tests/fakes/api_server/pod_rules.h"

#include <algorithm>
#include <array>

#include "api/codec.h"
#include "api/defaults.h"
#include "api/pod.h"
#include "api/quantity.h"
#include "api/validate.h"
#include "tests/fakes/api_server/fields.h"

namespace keelson::fakes {
namespace {

constexpr std::string_view kTokenFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

Answer invalidText(const ResourceType& type, const json::object& pod, const std::string& text) {
  auto answer = invalid(type.name, textAt(pod, "metadata.name"), {});
  auto& body = answer.body.get_object();
  body["message"] = std::string(body.at("message").get_string()) + text;
  const auto colon = text.find(": ");
  if (text[0] != '[' && colon != text.npos) {
    const auto said = std::string_view(text).substr(colon + 2);
    const char* reason = "FieldValueInvalid";
    for (const auto& [begins, means] : {std::pair{"Required", "FieldValueRequired"},
                                        {"Forbidden", "FieldValueForbidden"},
                                        {"Duplicate", "FieldValueDuplicate"},
                                        {"Unsupported", "FieldValueNotSupported"},
                                        {"Not found", "FieldValueNotFound"}})
      if (said.starts_with(begins)) reason = means;
    objectAt(body, "details")["causes"] = json::array{json::object{
        {"reason", reason}, {"message", text.substr(colon + 2)}, {"field", text.substr(0, colon)}}};
  }
  return answer;
}

json::value tokenVolume(const std::string& name) {
  const json::object token{{"serviceAccountToken", {{"expirationSeconds", 3607}, {"path", "token"}}}};
  const json::object ca{{"configMap",
                         {{"name", "kube-root-ca.crt"},
                          {"items", json::array{json::object{{"key", "ca.crt"}, {"path", "ca.crt"}}}}}}};
  const json::object field{{"apiVersion", "v1"}, {"fieldPath", "metadata.namespace"}};
  const json::object name_space{
      {"downwardAPI", {{"items", json::array{json::object{{"path", "namespace"}, {"fieldRef", field}}}}}}};
  return json::object{{"name", name},
                      {"projected", {{"sources", json::array{token, ca, name_space}}, {"defaultMode", 420}}}};
}

// Adds the mount to every container without one at the token's folder; true if one was added.
bool addMounts(json::object& pod, const char* list, const std::string& volume) {
  bool added = false;
  const auto* containers = find(pod, std::string("spec.") + list);
  if (containers == nullptr || !containers->is_array()) return false;
  for (auto& container : arrayAt(pod, std::string("spec.") + list)) {
    if (!container.is_object()) continue;
    auto& mounts = arrayAt(container.get_object(), "volumeMounts");
    const bool has = std::any_of(mounts.begin(), mounts.end(), [](const auto& mount) {
      return mount.is_object() && textAt(mount.get_object(), "mountPath") == kTokenFolder;
    });
    if (has) continue;
    mounts.push_back(json::object{{"name", volume}, {"readOnly", true}, {"mountPath", kTokenFolder}});
    added = true;
  }
  return added;
}

std::optional<bool> automounts(const json::object& object, std::string_view path) {
  const auto* value = find(object, path);
  return value != nullptr && value->is_bool() ? std::optional(value->get_bool()) : std::nullopt;
}

}  // namespace

Outcome<api::Pod> decodedPod(const json::object& pod) {
  auto result = api::decode<api::Pod>(pod);
  if (!result) {
    return badRequest("Pod in version \"v1\" cannot be handled as a Pod: " + result.error().text);
  }
  return std::move(result->value);
}

bool isMirrorPod(const json::object& pod) {
  const auto* annotations = find(pod, "metadata.annotations");
  return annotations != nullptr && annotations->is_object() &&
         annotations->get_object().contains("kubernetes.io/config.mirror");
}

std::string podQosClass(const json::object& pod) {
  bool any = false, guaranteed = true;
  for (const char* list : {"containers", "initContainers"}) {
    const auto* containers = find(pod, std::string("spec.") + list);
    if (containers == nullptr || !containers->is_array()) continue;
    for (const auto& container : containers->get_array()) {
      for (const char* resource : {"cpu", "memory"}) {
        const auto amount = [&](const char* kind) -> std::optional<api::Quantity> {
          const auto* value = find(container.as_object(), fmt::format("resources.{}.{}", kind, resource));
          if (value == nullptr) return std::nullopt;
          const auto text = value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
          auto quantity = api::Quantity::parse(text);
          if (!quantity || quantity->isZero()) return std::nullopt;
          return std::move(quantity).value();
        };
        const auto request = amount("requests"), limit = amount("limits");
        any |= request.has_value() || limit.has_value();
        guaranteed &= limit.has_value() && (!request || *request == *limit);
      }
    }
  }
  return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

Outcome<json::object> newPod(json::object pod, const ResourceType& type, WallTime now) {
  const auto plain = TRY(decodedPod(pod));
  json::value filled = std::move(pod);
  fillFrom(filled, api::encode(api::defaultPod(plain)));
  pod = std::move(filled.get_object());
  auto& spec = objectAt(pod, "spec");
  setDefault(spec, "securityContext", json::object());
  setDefault(spec, "priority", 0);
  setDefault(spec, "preemptionPolicy", "PreemptLowerPriority");
  setDefault(spec, "schedulerName", "default-scheduler");
  setDefault(spec, "enableServiceLinks", true);
  for (const char* list : {"containers", "initContainers"}) {
    if (find(spec, list) == nullptr) continue;
    for (auto& container : arrayAt(spec, list))
      if (container.is_object()) setDefault(container.get_object(), "resources", json::object());
  }
  objectAt(pod, "metadata")["generation"] = 1;
  pod["status"] = json::object{{"phase", "Pending"}, {"qosClass", podQosClass(pod)}};
  if (const auto* gates = find(pod, "spec.schedulingGates");
      gates != nullptr && gates->is_array() &&
      !gates->get_array().empty()) {  // applySchedulingGatedCondition
    objectAt(pod, "status")["conditions"] =
        json::array{json::object{{"type", "PodScheduled"},
                                 {"status", "False"},
                                 {"lastTransitionTime", formatTime(now)},
                                 {"reason", "SchedulingGated"},
                                 {"message", "Scheduling is blocked due to non-empty scheduling gates"}}};
  }
  const auto checked = TRY(decodedPod(pod));
  if (const auto valid = api::validatePod(checked); !valid) return invalidText(type, pod, valid.error().text);
  return pod;
}

void admitServiceAccount(json::object& pod, const json::object& account, const std::string& suffix) {
  if (isMirrorPod(pod)) return;
  auto& spec = objectAt(pod, "spec");
  const auto own = automounts(spec, "automountServiceAccountToken");
  const auto accounts = automounts(account, "automountServiceAccountToken");
  if (!own.value_or(accounts.value_or(true))) return;
  auto& volumes = arrayAt(spec, "volumes");
  std::string name;
  for (const auto& volume : volumes) {
    if (volume.is_object() && textAt(volume.get_object(), "name").starts_with("kube-api-access-"))
      name = textAt(volume.get_object(), "name");
  }
  const bool present = !name.empty();
  if (!present) name = "kube-api-access-" + suffix;
  const bool in_init = addMounts(pod, "initContainers", name), in_main = addMounts(pod, "containers", name);
  auto& list = arrayAt(pod, "spec.volumes");
  if (!present && (in_init || in_main)) list.push_back(tokenVolume(name));
  if (list.empty()) eraseAt(pod, "spec.volumes");
}

void admitTolerations(json::object& pod) {
  if (isMirrorPod(pod)) return;
  auto& tolerations = arrayAt(pod, "spec.tolerations");
  for (const char* key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    const bool has = std::any_of(tolerations.begin(), tolerations.end(), [&](const auto& toleration) {
      if (!toleration.is_object()) return false;
      const auto& object = toleration.get_object();
      const auto effect = textAt(object, "effect"), of = textAt(object, "key");
      return (of == key || (of.empty() && textAt(object, "operator") == "Exists")) &&
             (effect.empty() || effect == "NoExecute");
    });
    if (!has) {
      tolerations.push_back(json::object{
          {"key", key}, {"operator", "Exists"}, {"effect", "NoExecute"}, {"tolerationSeconds", 300}});
    }
  }
}

Outcome<json::object> boundPod(json::object pod, const std::string& node, WallTime now,
                               const ResourceType& type) {
  const auto name = textAt(pod, "metadata.name");
  const ResourceName bindings{type.name.group, type.name.plural + "/binding", type.name.kind};
  if (find(pod, "metadata.deletionTimestamp") != nullptr)
    return conflict(bindings, name,
                    fmt::format("pod {} is being deleted, cannot be assigned to a host", name));
  if (const auto has = textAt(pod, "spec.nodeName"); !has.empty())
    return conflict(bindings, name, fmt::format("pod {} is already assigned to node \"{}\"", name, has));
  objectAt(pod, "spec")["nodeName"] = node;
  auto& conditions = arrayAt(pod, "status.conditions");
  json::array kept;
  for (const auto& condition : conditions) {
    if (textAt(condition.as_object(), "type") != "PodScheduled") kept.push_back(condition);
  }
  kept.push_back(
      json::object{{"type", "PodScheduled"}, {"status", "True"}, {"lastTransitionTime", formatTime(now)}});
  conditions = std::move(kept);
  return pod;
}

int64_t deletionGrace(const json::object& pod, std::optional<int64_t> asked) {
  int64_t period = asked.value_or(numberAt(pod, "spec.terminationGracePeriodSeconds", 0));
  const auto phase = textAt(pod, "status.phase");
  if (textAt(pod, "spec.nodeName").empty() || phase == "Failed" || phase == "Succeeded") period = 0;
  return period < 0 ? 1 : period;
}

}  // namespace keelson::fakes
