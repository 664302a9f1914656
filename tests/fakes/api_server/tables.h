// The server-side tables that kubectl prints (Accept: application/json;as=Table).
#pragma once

#include <vector>

#include "base/json.h"
#include "tests/fakes/api_server/resources.h"

namespace keelson::fakes {

// meta.k8s.io/v1 Table of the objects: full columns for pods and nodes, name and age for other kinds. Pure.
json::object renderTable(const ResourceType& type, const std::vector<json::object>& objects,
                         bool with_columns);

}  // namespace keelson::fakes
