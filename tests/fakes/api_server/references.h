// What a pod refers to by name. Pure.
#pragma once

#include <set>
#include <string>

#include "base/json.h"

namespace keelson::fakes {

// True if one of the members `keys` anywhere in the value (volumes, projections, env, envFrom,
// imagePullSecrets for the key "secret") names `name`, or anything if `name` is empty.
bool refersTo(const json::value& value, const std::set<std::string>& keys, const std::string& name);
const std::set<std::string>& secretKeys();
const std::set<std::string>& configMapKeys();
// True if a projected volume holds a token for this audience; "" is that of the API server.
bool projectsAudience(const json::object& pod, const std::string& audience);

}  // namespace keelson::fakes
