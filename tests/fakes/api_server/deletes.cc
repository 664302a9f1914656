// DELETE of the stand-in.
#include <charconv>

#include "tests/fakes/api_server/api_server.h"
#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/api_server/pod_rules.h"
#include "tests/fakes/api_server/selectors.h"

namespace keelson::fakes {
namespace {

bool hasFinalizers(const json::object& object) {
  const auto* list = find(object, "metadata.finalizers");
  return list != nullptr && list->is_array() && !list->get_array().empty();
}

// Stores with ReturnDeletedObject: their DELETE answers with the object, not with a Status.
bool returnsDeleted(const ResourceType& type) {
  const auto& plural = type.name.plural;
  return plural == "pods" || plural == "services" || plural == "serviceaccounts";
}

// A grace below zero is one second: rest.BeforeDelete.
int64_t positive(int64_t grace) { return grace < 0 ? 1 : grace; }

std::optional<int64_t> graceOf(const ServerCall& call) {
  if (const auto* options = call.body.if_object();
      options != nullptr && options->contains("gracePeriodSeconds"))
    return positive(numberAt(*options, "gracePeriodSeconds"));
  const auto text = call.param("gracePeriodSeconds");
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  return !text.empty() && error == std::errc() && end == text.data() + text.size()
             ? std::optional(positive(seconds))
             : std::nullopt;
}

}  // namespace

Outcome<void> checkPreconditions(const ServerCall& call, const json::object& object,
                                 const ResourceType& type) {
  const auto* options = call.body.if_object();
  if (options == nullptr) return {};
  const auto name = textAt(object, "metadata.name");
  const ResourceName kind{type.name.group, type.name.kind, type.name.kind};  // so upstream names it here
  const auto uid = textAt(*options, "preconditions.uid"),
             version = textAt(*options, "preconditions.resourceVersion");
  if (!uid.empty() && uid != textAt(object, "metadata.uid")) {
    return conflict(
        kind, name,
        fmt::format("the UID in the precondition ({}) does not match the UID in record ({}). The object "
                    "might have been deleted and then recreated",
                    uid, textAt(object, "metadata.uid")));
  }
  if (!version.empty() && version != textAt(object, "metadata.resourceVersion")) {
    return conflict(
        kind, name,
        fmt::format("the ResourceVersion in the precondition ({}) does not match the ResourceVersion in "
                    "record ({}). The object might have been modified",
                    version, textAt(object, "metadata.resourceVersion")));
  }
  return {};
}

// rest.BeforeDelete and Store.Delete: graceful for pods, finalizers for all.
Answer ApiServer::removeOf(const ServerCall& call, const ResourcePath& path) {
  const auto& type = *path.type;
  const auto was = store_.get(type.collection(), path.key());
  if (!was) return notFound(type.name, path.name);
  if (auto fine = checkPreconditions(call, *was, type); !fine) return std::move(fine).error();
  const auto asked = graceOf(call);
  if (call.param("dryRun") == "All") return {200, shown(*was, type), {}};
  json::object now = *was;
  auto& meta = objectAt(now, "metadata");
  const bool pod = type.name.plural == "pods", name_space = type.name.plural == "namespaces";
  int64_t grace = 0;
  if (meta.contains("deletionTimestamp")) {
    grace = numberAt(meta, "deletionGracePeriodSeconds");
    if (!asked || *asked >= grace) {
      if (grace > 0 || hasFinalizers(now) || name_space) return {200, shown(*was, type), {}};
    } else {  // only shorter
      const auto ends = parseTime(textAt(meta, "deletionTimestamp")).valueOr(clock_.wall());
      meta["deletionTimestamp"] = formatTime(ends - std::chrono::seconds(grace - *asked));
      grace = *asked;
    }
  } else {
    grace = pod ? deletionGrace(now, asked) : 0;
    meta["deletionTimestamp"] = formatTime(clock_.wall() + std::chrono::seconds(grace));
    if (const auto generation = numberAt(meta, "generation"); generation > 0)
      meta["generation"] = generation + 1;
  }
  meta["deletionGracePeriodSeconds"] = grace;
  if (name_space) {
    meta.erase("deletionGracePeriodSeconds");
    objectAt(now, "status")["phase"] = "Terminating";
  }
  const bool stays = grace > 0 || hasFinalizers(now) || name_space;
  if (stays) return {200, shown(*store_.put(type.collection(), path.key(), std::move(now)), type), {}};
  const auto uid = textAt(now, "metadata.uid");
  // Graceful deletion writes the mark even if nothing waits for it: watchers see MODIFIED, then DELETED.
  if (pod) store_.put(type.collection(), path.key(), std::move(now));
  const auto gone = store_.remove(type.collection(), path.key());
  if (!returnsDeleted(type)) return deleted(type.name, path.name, uid);
  return {200, shown(*gone, type), {}};
}

Answer ApiServer::removeAll(const ServerCall& call, const ResourcePath& path) {
  auto labels = parseLabelSelector(call.param("labelSelector"));
  if (!labels) return std::move(labels).error();
  auto fields = parseFieldSelector(call.param("fieldSelector"), path.type->name);
  if (!fields) return std::move(fields).error();
  const Filter filter{path.name_space, labels.value(), fields.value()};
  const Objects all = store_.all(path.type->collection());
  json::array items;
  for (const auto& [key, object] : all) {
    if (!filter.matches(*object)) continue;
    auto one = path;
    one.name_space = textAt(*object, "metadata.namespace");
    one.name = textAt(*object, "metadata.name");
    if (auto answer = removeOf(call, one); answer.code >= 300) return answer;
    auto view = shown(*object, *path.type);
    view.erase("kind");
    view.erase("apiVersion");
    items.push_back(std::move(view));
  }
  return {200,
          json::object{{"kind", path.type->name.kind + "List"},
                       {"apiVersion", path.type->apiVersion()},
                       {"metadata", {{"resourceVersion", std::to_string(store_.version())}}},
                       {"items", std::move(items)}},
          {}};
}

}  // namespace keelson::fakes
