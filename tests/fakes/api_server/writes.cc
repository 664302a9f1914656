// POST, PUT and PATCH of the stand-in.
#include "tests/fakes/api_server/api_server.h"
#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/api_server/kind_rules.h"
#include "tests/fakes/api_server/patch.h"
#include "tests/fakes/api_server/pod_rules.h"

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

// A patch cannot make it another object.
Outcome<void> checkPlace(const json::object& object, const ResourcePath& path) {
  if (const auto name = textAt(object, "metadata.name"); !name.empty() && name != path.name) {
    return badRequest(
        fmt::format("the name of the object ({}) does not match the name on the URL ({})", name, path.name));
  }
  const auto home = textAt(object, "metadata.namespace");
  if (path.type->namespaced && !home.empty() && home != path.name_space) {
    return badRequest(
        "the namespace of the provided object does not match the namespace sent on the request");
  }
  return {};
}

// Types without AllowUnconditionalUpdate: a PUT names the version that it replaces.
Outcome<void> checkVersion(const json::object& was, const json::object& now, const ResourceType& type) {
  const auto& plural = type.name.plural;
  const auto version = textAt(now, "metadata.resourceVersion"), name = textAt(was, "metadata.name");
  if (version.empty() && (plural == "leases" || plural == "runtimeclasses")) {
    return invalid({type.name.group, plural, plural}, name,
                   {{"FieldValueInvalid", "metadata.resourceVersion",
                     "Invalid value: 0: must be specified for an update"}});
  }
  if (!version.empty() && version != textAt(was, "metadata.resourceVersion"))
    return modifiedConflict(type.name, name);
  return {};
}

// An update cannot touch what only the server sets.
Outcome<void> keepMeta(const json::object& was, json::object& now, const ResourceType& type) {
  auto& meta = objectAt(now, "metadata");
  for (const char* field : {"uid", "name", "namespace"}) {
    const auto value = textAt(meta, field);
    if (value.empty()) {
      copyAt(was, now, std::string("metadata.") + field);
    } else if (value != textAt(was, std::string("metadata.") + field)) {
      const FieldCause cause{"FieldValueInvalid", std::string("metadata.") + field,
                             fmt::format("Invalid value: \"{}\": field is immutable", value)};
      return invalid(type.name, textAt(was, "metadata.name"), {cause, cause});  // the store and the strategy
    }
  }
  for (const char* field :
       {"metadata.creationTimestamp", "metadata.deletionTimestamp", "metadata.deletionGracePeriodSeconds",
        "metadata.generation", "metadata.generateName"})
    copyAt(was, now, field);
  now["kind"] = was.at("kind");
  now["apiVersion"] = was.at("apiVersion");
  return {};
}

// Who decides need not say when: pkg/registry/certificates/certificates/strategy.go
void fillDecisionTimes(json::object& csr, const std::string& now) {
  if (find(csr, "status.conditions") == nullptr) return;
  for (auto& condition : arrayAt(csr, "status.conditions")) {
    if (!condition.is_object()) continue;
    setDefault(condition.get_object(), "lastUpdateTime", json::value(now));
    setDefault(condition.get_object(), "lastTransitionTime", json::value(now));
  }
}

ResourceName coreName(const ResourceType& type) {  // events are invalid as those of the core group
  return {type.name.plural == "events" ? "" : type.name.group, type.name.plural, type.name.kind};
}

std::string undecodable(const ResourceType& type, const std::string& problem) {
  return fmt::format("{} in version \"{}\" cannot be handled as a {}: {}", type.name.kind, type.version,
                     type.name.kind, problem);
}

}  // namespace

Outcome<json::object> ApiServer::prepared(const ServerCall& call, const ResourcePath& path,
                                          json::object object) {
  const auto& type = *path.type;
  TRY(checkKind(object, type));
  object["kind"] = type.name.kind;
  object["apiVersion"] = type.apiVersion();
  object = kept(std::move(object), type);
  if (const auto problem = decodeProblem(object, type); !problem.empty())
    return badRequest(undecodable(type, problem));
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
  auto made = TRY(admitted(std::move(object), path, call.user));
  if (const auto causes = findings(made, type); !causes.empty() && type.name.plural != "pods")
    return invalid(coreName(type), textAt(made, "metadata.name"), causes);
  return made;
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
  TRY(checkVersion(was, now, type));
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
  if (type.name.plural == "certificatesigningrequests") fillDecisionTimes(now, formatTime(clock_.wall()));
  fillDefaults(now, type);
  auto causes = type.name.plural == "events" ? std::vector<FieldCause>() : findings(now, type);
  for (auto& cause : changeFindings(was, now, type)) causes.push_back(std::move(cause));
  if (!causes.empty()) return invalid(type.name, path.name, causes);
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
    auto last = std::make_shared<const json::object>(std::move(now));  // answered, never stored
    store_.remove(collection, path.key());
    return Object(std::move(last));
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
  if (const auto problem = decodeProblem(now, type); !problem.empty())
    return badRequest(undecodable(type, problem));
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
  if (type.name.plural == "nodes") endNotReadyTaint(path.key());
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
    return badRequest(fmt::format(
        "error decoding patch: json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
        call.body.is_array()    ? "array"
        : call.body.is_string() ? "string"
        : call.body.is_bool()   ? "bool"
                                : "number"));
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
  const bool strategic = media == "application/strategic-merge-patch+json";
  if (const auto problem = decodeProblem(kept(patched.get_object(), type), type); !problem.empty())
    return invalidPatch(strategic ? goText(call.body) : json::serialize(patched), problem);
  if (auto place = checkPlace(patched.get_object(), path); !place) return std::move(place).error();
  if (call.param("dryRun") == "All") return {200, std::move(patched), {}};
  auto next = checked(path, *was, kept(std::move(patched.get_object()), type));
  if (!next) return std::move(next).error();
  auto stored = store(path, was, std::move(next).value());
  if (!stored) return std::move(stored).error();
  const Answer answer{200, shown(*stored.value(), type), {}};
  if (path.subresource == "approval") signRequest(path.key());
  if (type.name.plural == "nodes") endNotReadyTaint(path.key());
  return answer;
}

}  // namespace keelson::fakes
