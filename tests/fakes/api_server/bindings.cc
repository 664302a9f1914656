// Subresources of pods that are written alone: binding and eviction.
#include <algorithm>

#include "tests/fakes/api_server/api_server.h"
#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/api_server/pod_rules.h"

namespace keelson::fakes {

Answer ApiServer::bind(const ServerCall& call, const ResourcePath& path) {
  const auto* body = call.body.if_object();
  if (body == nullptr) return badRequest("the body of a binding is an object");
  const auto* pods = resourceOf("", "pods");
  const auto name = path.name.empty() ? textAt(*body, "metadata.name") : path.name;
  const auto key = path.name_space + "/" + name;
  const auto pod = store_.get("pods", key);
  if (!pod) return notFound(pods->name, name);
  const auto node = textAt(*body, "target.name");
  if (node.empty())
    return invalid({"", "bindings", "Binding"}, name,
                   {{"FieldValueRequired", "target.name", "Required value"}});
  if (const auto uid = textAt(*body, "metadata.uid"); !uid.empty() && uid != textAt(*pod, "metadata.uid")) {
    return conflict(
        pods->name, name,
        fmt::format(
            "StorageError: invalid object, Code: 4, Key: /registry/pods/{}, ResourceVersion: 0, "
            "AdditionalErrorMsg: Precondition failed: UID in precondition: {}, UID in object meta: {}",
            key, uid, textAt(*pod, "metadata.uid")));
  }
  auto bound = boundPod(*pod, node, clock_.wall(), *pods);
  if (!bound) return std::move(bound).error();
  auto now = std::move(bound).value();
  for (const char* field : {"metadata.annotations", "metadata.labels"}) {
    const auto* given = find(*body, field);
    if (given == nullptr || !given->is_object()) continue;
    for (const auto& [name_of, value] : given->get_object()) objectAt(now, field)[name_of] = value;
  }
  store_.put("pods", key, std::move(now));
  return createdStatus();
}

// No disruption budgets here: an eviction is a condition that says so, and a deletion.
// pkg/registry/core/pod/storage/eviction.go, addConditionAndDeletePod
Answer ApiServer::evict(const ServerCall& call, const ResourcePath& path) {
  ServerCall deletion = call;
  deletion.method = "DELETE";
  json::value options = json::object();
  if (const auto* body = call.body.if_object()) {
    if (const auto* given = find(*body, "deleteOptions"); given != nullptr && given->is_object())
      options = *given;
  }
  deletion.body = std::move(options);
  auto pod = path;
  pod.subresource.clear();
  const auto was = store_.get("pods", pod.key());
  if (!was) return notFound(path.type->name, path.name);
  if (auto fine = checkPreconditions(deletion, *was, *path.type); !fine) return std::move(fine).error();
  if (find(*was, "metadata.deletionTimestamp") == nullptr && call.param("dryRun") != "All") {
    json::object marked = *was;
    auto& conditions = arrayAt(marked, "status.conditions");
    conditions.erase(std::remove_if(conditions.begin(), conditions.end(),
                                    [](const json::value& each) {
                                      return each.is_object() &&
                                             textAt(each.get_object(), "type") == "DisruptionTarget";
                                    }),
                     conditions.end());
    conditions.push_back(json::object{{"type", "DisruptionTarget"},
                                      {"status", "True"},
                                      {"lastTransitionTime", formatTime(clock_.wall())},
                                      {"reason", "EvictionByEvictionAPI"},
                                      {"message", "Eviction API: evicting"}});
    store_.put("pods", pod.key(), std::move(marked));
    if (auto* given = deletion.body.if_object()) eraseAt(*given, "preconditions.resourceVersion");
  }
  auto answer = removeOf(deletion, pod);
  return answer.code >= 300 ? answer : createdStatus();
}

}  // namespace keelson::fakes
