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
    objectAt(body, "details")["causes"] = json::array{json::object{{"reason", "FieldValueInvalid"},
                                                                   {"message", text.substr(colon + 2)},
                                                                   {"field", text.substr(0, colon)}}};
  }
  return answer;
}

Outcome<api::Pod> decoded(const json::object& pod) {
  auto result = api::decode<api::Pod>(pod);
  if (!result) {
    return badRequest("Pod in version \"v1\" cannot be handled as a Pod: " + result.error().text);
  }
  return std::move(result->value);
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

// The specs are equal but for what may change: `now` with those fields as they were.
json::object munged(const json::object& was, json::object now) {
  for (const char* list : {"containers", "initContainers"}) {
    if (find(now, list) == nullptr || find(was, list) == nullptr) continue;
    const auto& before = find(was, list)->get_array();
    auto& after = arrayAt(now, list);
    for (size_t i = 0; i < after.size() && i < before.size(); ++i) {
      if (after[i].is_object() && before[i].is_object())
        copyAt(before[i].get_object(), after[i].get_object(), "image");
    }
  }
  for (const char* field : {"activeDeadlineSeconds", "tolerations", "schedulingGates"})
    copyAt(was, now, field);
  return now;
}

Outcome<void> checkSpec(const json::object& was, const json::object& now, const ResourceType& type) {
  const auto name = textAt(now, "metadata.name");
  const auto& before = find(was, "spec")->get_object();
  const auto* after = find(now, "spec");
  if (after == nullptr || !after->is_object()) {
    return invalid(type.name, name, {{"FieldValueRequired", "spec.containers", "Required value"}});
  }
  if (munged(before, after->get_object()) != before) {
    return invalid(
        type.name, name,
        {{"FieldValueForbidden", "spec",
          "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
          "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions "
          "to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it "
          "was previously negative)"}});
  }
  const auto* limit = find(before, "activeDeadlineSeconds");
  const auto next = numberAt(after->get_object(), "activeDeadlineSeconds", -1);
  if (limit != nullptr && (next < 0 || next > limit->to_number<int64_t>())) {
    return invalid(type.name, name,
                   {{"FieldValueInvalid", "spec.activeDeadlineSeconds",
                     fmt::format("Invalid value: {}: must be less than or equal to previous value", next)}});
  }
  return {};
}

// ValidateContainerStateTransition: what has ended for good does not run again.
Outcome<void> checkTransitions(const json::object& was, const json::object& now, const ResourceType& type) {
  const auto policy = textAt(was, "spec.restartPolicy");
  const auto* before = find(was, "status.containerStatuses");
  const auto* after = find(now, "status.containerStatuses");
  if (policy == "Always" || before == nullptr || after == nullptr || !after->is_array()) return {};
  for (const auto& old_status : before->as_array()) {
    const auto& old_object = old_status.as_object();
    const auto* ended = find(old_object, "state.terminated");
    if (ended == nullptr || (policy == "OnFailure" && numberAt(old_object, "state.terminated.exitCode") != 0))
      continue;
    for (size_t i = 0; i < after->get_array().size(); ++i) {
      const auto* status = after->get_array()[i].if_object();
      if (status == nullptr || textAt(*status, "name") != textAt(old_object, "name")) continue;
      if (find(*status, "state.terminated") != nullptr) continue;
      return invalid(type.name, textAt(now, "metadata.name"),
                     {{"FieldValueForbidden", fmt::format("status.containerStatuses[{}].state", i),
                       "Forbidden: may not be transitioned to non-terminated state"}});
    }
  }
  return {};
}

// preserveOldObservedGeneration of the pod strategy.
void keepObservedGeneration(const json::object& was, json::object& now) {
  auto& status = objectAt(now, "status");
  if (numberAt(status, "observedGeneration") == 0) copyAt(was, now, "status.observedGeneration");
  const auto* before = find(was, "status.conditions");
  if (before == nullptr || !before->is_array() || find(now, "status.conditions") == nullptr) return;
  for (auto& condition : arrayAt(now, "status.conditions")) {
    auto* object = condition.if_object();
    if (object == nullptr || numberAt(*object, "observedGeneration") != 0) continue;
    for (const auto& old : before->get_array()) {
      if (textAt(old.as_object(), "type") == textAt(*object, "type"))
        copyAt(old.as_object(), *object, "observedGeneration");
    }
  }
}

}  // namespace

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

Outcome<json::object> newPod(json::object pod, const ResourceType& type) {
  const auto plain = TRY(decoded(pod));
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
  const auto checked = TRY(decoded(pod));
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

Outcome<json::object> updatedPod(const json::object& was, json::object now, const ResourceType& type,
                                 std::string_view subresource) {
  if (subresource == "status") {
    copyAt(was, now, "spec");
    copyAt(was, now, "metadata.ownerReferences");
    if (textAt(now, "status.qosClass").empty()) copyAt(was, now, "status.qosClass");
    keepObservedGeneration(was, now);
    TRY(checkTransitions(was, now, type));
  } else if (subresource == "ephemeralcontainers") {
    json::object next = was;
    copyAt(now, next, "spec.ephemeralContainers");
    copyAt(now, next, "metadata.resourceVersion");
    now = std::move(next);
  } else {
    copyAt(was, now, "status");
    TRY(checkSpec(was, now, type));
  }
  const auto* spec = find(now, "spec");
  const bool changed = spec == nullptr || *spec != *find(was, "spec");
  objectAt(now, "metadata")["generation"] = numberAt(was, "metadata.generation", 1) + (changed ? 1 : 0);
  (void)TRY(decoded(now));
  return now;
}

Outcome<json::object> boundPod(json::object pod, const std::string& node, WallTime now,
                               const ResourceType& type) {
  const auto name = textAt(pod, "metadata.name");
  if (find(pod, "metadata.deletionTimestamp") != nullptr)
    return conflict(type.name, name,
                    fmt::format("pod {} is being deleted, cannot be assigned to a host", name));
  if (const auto has = textAt(pod, "spec.nodeName"); !has.empty())
    return conflict(type.name, name, fmt::format("pod {} is already assigned to node \"{}\"", name, has));
  objectAt(pod, "spec")["nodeName"] = node;
  auto& conditions = arrayAt(pod, "status.conditions");
  json::array kept;
  for (const auto& condition : conditions) {
    if (textAt(condition.as_object(), "type") != "PodScheduled") kept.push_back(condition);
  }
  kept.push_back(json::object{{"type", "PodScheduled"},
                              {"observedGeneration", numberAt(pod, "metadata.generation", 1)},
                              {"status", "True"},
                              {"lastTransitionTime", formatTime(now)}});
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
