// What the API server fills in and refuses of the kinds besides pods. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "tests/fakes/api_server/answer.h"
#include "tests/fakes/api_server/resources.h"

namespace keelson::fakes {

// Fields that every write fills in: pkg/apis/*/v1/defaults.go and conversion.go.
void fillDefaults(json::object& object, const ResourceType& type);
// The conversions of pkg/apis/core/v1: the first of `many` is `one`, which wins where they differ; `key` is
// the field of an item that holds the value, "" if the items are plain.
void agreeOnFirst(json::object& object, const std::string& one, const std::string& many, const char* key);

// Why the object is none of its type, in Go's words: another JSON type, a time of another shape. "": it is
// one.
std::string decodeProblem(const json::object& object, const ResourceType& type);

// What the validation of a new or changed object finds, names and keys first: pkg/apis/*/validation.
std::vector<FieldCause> findings(const json::object& object, const ResourceType& type);
// ... and what it finds in the change.
std::vector<FieldCause> changeFindings(const json::object& was, const json::object& now,
                                       const ResourceType& type);

}  // namespace keelson::fakes
