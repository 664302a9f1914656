// The NodeRestriction admission: what a node may write. Pure.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string>

#include "tests/fakes/api_server/api_server.h"

namespace keelson::fakes {

// One request of a node, with what the rules ask about it.
struct NodeQuestion {
  const ObjectStore& store;
  const ServerCall& call;
  const ResourcePath& path;
  std::string verb, resource, node;  // resource: "pods/status"

  bool is(std::initializer_list<std::string_view> verbs) const {
    return std::find(verbs.begin(), verbs.end(), verb) != verbs.end();
  }
  bool reads() const { return is({"get", "list", "watch"}); }
  // Of the path, or of the body of what is to be created.
  std::string objectName() const;
  // The value that a field selector demands of `field`; "" if none.
  std::string selected(const std::string& field) const;
  Object pod(const std::string& name) const { return store.get("pods", path.name_space + "/" + name); }
  bool ownPod(const Object& pod) const;
};

using Refusal = std::optional<std::string>;  // nullopt: allowed; "" or a reason: not

// plugin/pkg/admission/noderestriction/admission.go
Refusal admitNodeRequest(const NodeQuestion& question);

}  // namespace keelson::fakes
