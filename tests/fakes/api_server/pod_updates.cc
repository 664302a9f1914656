// Changes of pods: what may change, and where.
#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/api_server/kind_rules.h"
#include "tests/fakes/api_server/pod_rules.h"

namespace keelson::fakes {
namespace {

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

// ValidatePodUpdate: a pod is born as a mirror or never is one.
Outcome<void> checkMirrorMark(const json::object& was, const json::object& now, const ResourceType& type) {
  const auto mark = [](const json::object& pod) {
    const auto* found = isMirrorPod(pod) ? find(pod, "metadata.annotations") : nullptr;
    return found == nullptr ? std::string() : json::serialize(found->at("kubernetes.io/config.mirror"));
  };
  if (mark(was) == mark(now)) return {};
  const char* what = !isMirrorPod(was) ? "add" : !isMirrorPod(now) ? "remove" : "update";
  return invalid(type.name, textAt(was, "metadata.name"),
                 {{"FieldValueForbidden", "metadata.annotations[kubernetes.io/config.mirror]",
                   fmt::format("Forbidden: may not {} mirror pod annotation", what)}});
}

// The resize subresource writes the resources of containers, within the QoS class: ValidatePodResize.
Outcome<json::object> resized(const json::object& was, const json::object& asked, const ResourceType& type) {
  json::object next = was;
  for (const char* list : {"spec.containers", "spec.initContainers"}) {
    const auto *before = find(was, list), *wanted = find(asked, list);
    if (before == nullptr || wanted == nullptr || !before->is_array() || !wanted->is_array()) continue;
    auto& containers = arrayAt(next, list);
    for (size_t i = 0; i < containers.size() && i < wanted->get_array().size(); ++i) {
      const auto* from = wanted->get_array()[i].if_object();
      if (from == nullptr || !containers[i].is_object()) continue;
      copyAt(*from, containers[i].get_object(), "resources");
      copyAt(*from, containers[i].get_object(), "resizePolicy");
    }
  }
  if (const auto was_class = podQosClass(was); podQosClass(next) != was_class) {
    return invalid(
        type.name, textAt(was, "metadata.name"),
        {{"FieldValueInvalid", "spec",
          fmt::format("Invalid value: \"{}\": Pod QOS Class may not change as a result of resizing",
                      was_class)}});
  }
  return next;
}

}  // namespace

Outcome<json::object> updatedPod(const json::object& was, json::object now, const ResourceType& type,
                                 std::string_view subresource) {
  if (subresource == "status") {
    copyAt(was, now, "spec");
    copyAt(was, now, "metadata.ownerReferences");
    agreeOnFirst(now, "status.podIP", "status.podIPs", "ip");
    if (textAt(now, "status.qosClass").empty()) copyAt(was, now, "status.qosClass");
    keepObservedGeneration(was, now);
    TRY(checkTransitions(was, now, type));
  } else if (subresource == "ephemeralcontainers") {
    json::object next = was;
    copyAt(now, next, "spec.ephemeralContainers");
    copyAt(now, next, "metadata.resourceVersion");
    now = std::move(next);
  } else if (subresource == "resize") {
    now = TRY(resized(was, now, type));
  } else {
    copyAt(was, now, "status");
    TRY(checkMirrorMark(was, now, type));
    TRY(checkSpec(was, now, type));
  }
  const auto* spec = find(now, "spec");
  const bool changed = spec == nullptr || *spec != *find(was, "spec");
  objectAt(now, "metadata")["generation"] = numberAt(was, "metadata.generation", 1) + (changed ? 1 : 0);
  (void)TRY(decodedPod(now));
  return now;
}

}  // namespace keelson::fakes
