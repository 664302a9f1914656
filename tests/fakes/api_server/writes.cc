// POST, PUT, PATCH and DELETE of the stand-in.
#include <charconv>

#include "tests/fakes/api_server/api_server.h"
#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/api_server/patch.h"
#include "tests/fakes/api_server/pod_rules.h"
#include "tests/fakes/api_server/selectors.h"

namespace keelson::fakes {
namespace {

// Kinds with a status of their own: their main resource keeps it.
bool keepsStatus(const ResourceType& type) { return type.has("status"); }

bool hasFinalizers(const json::object& object) {
  const auto* list = find(object, "metadata.finalizers");
  return list != nullptr && list->is_array() && !list->get_array().empty();
}

Outcome<json::object> bodyOf(const ServerCall& call) {
  const auto* object = call.body.if_object();
  if (object == nullptr) return badRequest("the body of the request is no object");
  json::value copy = *object;
  dropNulls(copy);
  return std::move(copy.get_object());
}

Outcome<void> checkKind(const json::object& object, const ResourceType& type) {
  const auto kind = textAt(object, "kind"), version = textAt(object, "apiVersion");
  if ((!kind.empty() && kind != type.name.kind) || (!version.empty() && version != type.apiVersion())) {
    return badRequest(
        fmt::format("the API version in the data ({}, Kind={}) does not match the expected API version "
                    "({}, Kind={})",
                    version, kind, type.apiVersion(), type.name.kind));
  }
  return {};
}

// An update cannot touch what only the server sets.
Outcome<void> keepMeta(const json::object& was, json::object& now, const ResourceType& type) {
  const auto name = textAt(was, "metadata.name");
  const auto immutable = [&](const char* field, const std::string& value) {
    return invalid(type.name, name,
                   {{"FieldValueInvalid", std::string("metadata.") + field,
                     fmt::format("Invalid value: \"{}\": field is immutable", value)}});
  };
  auto& meta = objectAt(now, "metadata");
  for (const char* field : {"uid", "name", "namespace"}) {
    const auto value = textAt(meta, field);
    if (value.empty())
      copyAt(was, now, std::string("metadata.") + field);
    else if (value != textAt(was, std::string("metadata.") + field))
      return immutable(field, value);
  }
  for (const char* field :
       {"metadata.creationTimestamp", "metadata.deletionTimestamp", "metadata.deletionGracePeriodSeconds",
        "metadata.generation", "metadata.generateName"})
    copyAt(was, now, field);
  now["kind"] = was.at("kind");
  now["apiVersion"] = was.at("apiVersion");
  return {};
}

std::optional<int64_t> graceOf(const ServerCall& call) {
  if (const auto* options = call.body.if_object();
      options != nullptr && options->contains("gracePeriodSeconds"))
    return numberAt(*options, "gracePeriodSeconds");
  const auto text = call.param("gracePeriodSeconds");
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  return !text.empty() && error == std::errc() && end == text.data() + text.size() ? std::optional(seconds)
                                                                                   : std::nullopt;
}

Outcome<void> checkPreconditions(const ServerCall& call, const json::object& object,
                                 const ResourceType& type) {
  const auto* options = call.body.if_object();
  if (options == nullptr) return {};
  const auto name = textAt(object, "metadata.name");
  const auto uid = textAt(*options, "preconditions.uid"),
             version = textAt(*options, "preconditions.resourceVersion");
  if (!uid.empty() && uid != textAt(object, "metadata.uid")) {
    return conflict(
        type.name, name,
        fmt::format("the UID in the precondition ({}) does not match the UID in record ({}). The object "
                    "might have been deleted and then recreated",
                    uid, textAt(object, "metadata.uid")));
  }
  if (!version.empty() && version != textAt(object, "metadata.resourceVersion")) {
    return conflict(
        type.name, name,
        fmt::format("the ResourceVersion in the precondition ({}) does not match the ResourceVersion in "
                    "record ({}). The object might have been modified",
                    version, textAt(object, "metadata.resourceVersion")));
  }
  return {};
}

}  // namespace

Outcome<json::object> ApiServer::prepared(const ServerCall& call, const ResourcePath& path,
                                          json::object object) {
  const auto& type = *path.type;
  TRY(checkKind(object, type));
  object["kind"] = type.name.kind;
  object["apiVersion"] = type.apiVersion();
  object = kept(std::move(object), type);
  auto& meta = objectAt(object, "metadata");
  if (!textAt(meta, "resourceVersion").empty())
    return badRequest("resourceVersion should not be set on objects to be created");
  const auto name_space = textAt(meta, "namespace");
  if (type.namespaced) {
    if (path.name_space.empty()) return badRequest("an empty namespace may not be set during creation");
    if (!name_space.empty() && name_space != path.name_space) {
      return badRequest(
          fmt::format("the namespace of the provided object does not match the namespace sent on the "
                      "request"));
    }
    meta["namespace"] = path.name_space;
    const auto home = store_.get("namespaces", path.name_space);
    const ResourceName namespaces{"", "namespaces", "Namespace"};
    if (!home) return notFound(namespaces, path.name_space);
    if (find(*home, "metadata.deletionTimestamp") != nullptr && type.collection() != "events") {
      return forbidden(
          type.name, textAt(meta, "name"),
          fmt::format("unable to create new content in namespace {} because it is being terminated",
                      path.name_space));
    }
  }
  if (textAt(meta, "name").empty()) {
    const auto prefix = textAt(meta, "generateName");
    if (prefix.empty()) {
      return invalid(
          type.name, "",
          {{"FieldValueRequired", "metadata.name", "Required value: name or generateName is required"}});
    }
    meta["name"] = prefix + suffix();
  }
  if (const auto name = textAt(meta, "name"); name.find('/') != name.npos || name.size() > 253) {
    return invalid(type.name, name,
                   {{"FieldValueInvalid", "metadata.name",
                     fmt::format("Invalid value: \"{}\": may not contain '/'", name)}});
  }
  for (const char* field : {"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"}) meta.erase(field);
  meta["uid"] = newUid();
  meta["creationTimestamp"] = formatTime(clock_.wall());
  return admitted(std::move(object), path, call.user);
}

Answer ApiServer::createIn(const ServerCall& call, const ResourcePath& path) {
  const auto& type = *path.type;
  auto body = bodyOf(call);
  if (!body) return std::move(body).error();
  if (type.name.plural == "tokenreviews") return reviewToken(std::move(body).value());
  if (type.review) return reviewAccess(std::move(body).value(), call.user);
  auto object = prepared(call, path, std::move(body).value());
  if (!object) return std::move(object).error();
  auto whole = path;
  whole.name = textAt(object.value(), "metadata.name");
  if (store_.get(type.collection(), whole.key())) return alreadyExists(type.name, whole.name);
  if (call.param("dryRun") == "All") return {201, shown(object.value(), type), {}};
  const auto made = store_.put(type.collection(), whole.key(), std::move(object).value());
  if (auto after = afterCreate(type, whole.key()); !after) return std::move(after).error();
  return {201, shown(*made, type), {}};
}

Outcome<json::object> ApiServer::checked(const ResourcePath& path, const json::object& was,
                                         json::object now) {
  const auto& type = *path.type;
  if (const auto version = textAt(now, "metadata.resourceVersion");
      !version.empty() && version != textAt(was, "metadata.resourceVersion"))
    return modifiedConflict(type.name, path.name);
  TRY(keepMeta(was, now, type));
  const auto generation = numberAt(was, "metadata.generation");
  if (type.name.plural == "pods") return updatedPod(was, std::move(now), type, path.subresource);
  if (path.subresource == "status") {
    copyAt(was, now, "spec");
  } else if (path.subresource == "approval") {  // only conditions may change
    json::object next = was;
    copyAt(now, next, "status.conditions");
    now = std::move(next);
  } else if (keepsStatus(type)) {
    copyAt(was, now, "status");
  }
  if (type.name.plural == "certificatesigningrequests") copyAt(was, now, "spec");
  if (type.name.plural == "nodes") {
    const auto id = textAt(was, "spec.providerID"), next = textAt(now, "spec.providerID");
    if (!id.empty() && id != next) {
      return invalid(type.name, path.name,
                     {{"FieldValueForbidden", "spec.providerID",
                       "Forbidden: node updates may not change providerID except from \"\" to valid"}});
    }
  }
  for (const char* field : {"data", "binaryData", "type"}) {
    const bool secret = type.name.plural == "secrets", map = type.name.plural == "configmaps";
    if (!secret && !map) break;
    const bool frozen = flagAt(was, "immutable") || (secret && std::string_view(field) == "type");
    const auto *before = find(was, field), *after = find(now, field);
    const bool same = (before == nullptr) == (after == nullptr) && (before == nullptr || *before == *after);
    if (frozen && !same) {
      return invalid(
          type.name, path.name,
          {{"FieldValueForbidden", field, "Forbidden: field is immutable when `immutable` is set"}});
    }
  }
  if (generation != 0) {
    const auto *before = find(was, "endpoints"), *after = find(now, "endpoints");
    const bool changed =
        (before == nullptr) != (after == nullptr) || (before != nullptr && *before != *after);
    objectAt(now, "metadata")["generation"] = generation + (changed ? 1 : 0);
  }
  return now;
}

Outcome<Object> ApiServer::store(const ResourcePath& path, const Object& was, json::object now) {
  const auto& collection = path.type->collection();
  objectAt(now, "metadata")["resourceVersion"] = textAt(*was, "metadata.resourceVersion");
  // The last finalizer is gone and nothing waits: the update is the deletion.
  if (find(now, "metadata.deletionTimestamp") != nullptr && !hasFinalizers(now) && hasFinalizers(*was) &&
      numberAt(now, "metadata.deletionGracePeriodSeconds") == 0) {
    store_.put(collection, path.key(), std::move(now));
    return store_.remove(collection, path.key());
  }
  if (now == *was) return was;  // nothing is written, as in GuaranteedUpdate
  return store_.put(collection, path.key(), std::move(now));
}

Answer ApiServer::replace(const ServerCall& call, const ResourcePath& path) {
  const auto& type = *path.type;
  auto body = bodyOf(call);
  if (!body) return std::move(body).error();
  auto now = std::move(body).value();
  if (auto kind = checkKind(now, type); !kind) return std::move(kind).error();
  if (const auto name = textAt(now, "metadata.name"); name != path.name) {
    return badRequest(
        fmt::format("the name of the object ({}) does not match the name on the URL ({})", name, path.name));
  }
  now = kept(std::move(now), type);
  const auto was = store_.get(type.collection(), path.key());
  if (!was) {
    if (!type.create_on_put || !path.subresource.empty()) return notFound(type.name, path.name);
    auto create = call;
    auto collection = path;
    collection.name.clear();
    return createIn(create, collection);
  }
  auto next = checked(path, *was, std::move(now));
  if (!next) return std::move(next).error();
  auto stored = store(path, was, std::move(next).value());
  if (!stored) return std::move(stored).error();
  const Answer answer{200, shown(*stored.value(), type), {}};
  if (path.subresource == "approval") signRequest(path.key());
  return answer;
}

Answer ApiServer::patchOf(const ServerCall& call, const ResourcePath& path) {
  const auto& type = *path.type;
  const auto was = store_.get(type.collection(), path.key());
  if (!was) return notFound(type.name, path.name);
  json::object view = shown(*was, type);
  json::value patched;
  const auto media = call.content_type.substr(0, call.content_type.find(';'));
  if (media == "application/json-patch+json") {
    auto result = jsonPatch(view, call.body);
    if (!result) return std::move(result).error();
    patched = std::move(result).value();
  } else if (!call.body.is_object()) {
    return badRequest("the body of the patch is no object");
  } else if (media == "application/merge-patch+json") {
    patched = mergePatch(view, call.body);
  } else if (media == "application/strategic-merge-patch+json") {
    auto result = strategicMergePatch(view, call.body.get_object(), type.name.kind);
    if (!result) return std::move(result).error();
    patched = std::move(result).value();
  } else {
    return unsupportedMediaType(call.content_type);
  }
  if (!patched.is_object()) return badRequest("the patched object is no object");
  dropNulls(patched);
  if (call.param("dryRun") == "All") return {200, std::move(patched), {}};
  auto next = checked(path, *was, kept(std::move(patched.get_object()), type));
  if (!next) return std::move(next).error();
  auto stored = store(path, was, std::move(next).value());
  if (!stored) return std::move(stored).error();
  const Answer answer{200, shown(*stored.value(), type), {}};
  if (path.subresource == "approval") signRequest(path.key());
  return answer;
}

// rest.BeforeDelete and Store.Delete: graceful for pods, finalizers for all.
Answer ApiServer::removeOf(const ServerCall& call, const ResourcePath& path) {
  const auto& type = *path.type;
  const auto was = store_.get(type.collection(), path.key());
  if (!was) return notFound(type.name, path.name);
  if (auto fine = checkPreconditions(call, *was, type); !fine) return std::move(fine).error();
  const auto asked = graceOf(call);
  if (asked && *asked < 0) {
    return invalid(type.name, path.name,
                   {{"FieldValueInvalid", "gracePeriodSeconds",
                     fmt::format("Invalid value: {}: must be non-negative", *asked)}});
  }
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
  const auto gone = store_.remove(type.collection(), path.key());
  if (!pod) return deleted(type.name, path.name, uid);
  copyAt(*gone, now, "metadata.resourceVersion");
  return {200, shown(now, type), {}};
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
    items.push_back(shown(*object, *path.type));
  }
  return {200,
          json::object{{"kind", path.type->name.kind + "List"},
                       {"apiVersion", path.type->apiVersion()},
                       {"metadata", {{"resourceVersion", std::to_string(store_.version())}}},
                       {"items", std::move(items)}},
          {}};
}

}  // namespace keelson::fakes
