// The resources that the stand-in serves, and what a request's path means.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fakes/api_server/answer.h"

namespace keelson::fakes {

struct ResourceType {
  ResourceName name;
  std::string version;
  bool namespaced = true;
  bool review = false;         // created, answered and never kept
  bool create_on_put = false;  // PUT makes an absent one (leases, events)
  std::vector<std::string> short_names;
  std::vector<std::string> subresources;  // "status", "binding"

  std::string apiVersion() const { return name.group.empty() ? version : name.group + "/" + version; }
  // Where it is kept: events of both groups are one collection.
  std::string collection() const { return name.plural == "events" ? "events" : name.str(); }
  bool has(std::string_view subresource) const;
};

const std::vector<ResourceType>& resourceTypes();
const ResourceType* resourceOf(std::string_view group, std::string_view plural);
const ResourceType* resourceOfKind(std::string_view api_version, std::string_view kind);

// "/api/v1/namespaces/default/pods/web/status" in its parts. `type` is null for what is no resource.
struct ResourcePath {
  const ResourceType* type = nullptr;
  std::string name_space, name, subresource;
  std::string key() const { return type != nullptr && type->namespaced ? name_space + "/" + name : name; }
};
ResourcePath parseResourcePath(std::string_view path);

// /api, /apis, /api/v1, /apis/GROUP/VERSION, /version, /healthz, /livez, /readyz; nothing if it is none of
// them.
std::optional<Answer> discovery(std::string_view path);

}  // namespace keelson::fakes
