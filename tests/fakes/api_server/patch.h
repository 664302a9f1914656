// The three kinds of PATCH of the Kubernetes API. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "tests/fakes/api_server/answer.h"

namespace keelson::fakes {

// RFC 7386.
json::value mergePatch(json::value original, const json::value& patch);

// Strategic merge patch of a kind's object, after k8s.io/apimachinery/pkg/util/strategicpatch: merge keys,
// $patch replace/delete, $setElementOrder, $deleteFromPrimitiveList, $retainKeys. 400 or 500 as upstream. A
// kind that is not in patch_schema.cc merges its objects and replaces its lists.
// https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
Outcome<json::object> strategicMergePatch(json::object original, const json::object& patch,
                                          std::string_view kind);

// RFC 6902: add, remove, replace, move, copy, test. A failed operation is 422 as upstream.
Outcome<json::value> jsonPatch(json::value original, const json::value& patch);

// How a field of a type merges: the patchStrategy tags of k8s.io/api (v1.36).
struct FieldRule {
  std::string type;       // of the field or of its items; "" has no rules of its own
  bool merge = false;     // a list that merges
  std::string merge_key;  // "" for a list of plain values
};
FieldRule fieldRule(const std::string& type, std::string_view field);
// Why a strategic patch cannot be one of this type: something else where a list merges. "": it can.
std::string patchProblem(const json::object& patch, const std::string& type);
// A value as Go's %+v prints it: "map[status:map[phase:Running]]".
std::string goText(const json::value& value);

}  // namespace keelson::fakes
