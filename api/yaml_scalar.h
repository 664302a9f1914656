// What a YAML scalar means.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace keelson::api {

// A plain scalar as sigs.k8s.io/yaml resolves it: null, boolean, number, or else a string. Numbers that
// JSON cannot hold (.inf, .nan) are kInvalidArgument.
Result<json::value> resolvePlainScalar(std::string_view text);

// A scalar with the tag that yaml-cpp reports: "?" plain, "!" quoted, else an explicit one in its long
// form ("tag:yaml.org,2002:str"). kInvalidArgument for tags outside YAML's core and for text that
// does not fit its tag.
Result<json::value> resolveScalar(std::string_view tag, std::string_view text);

// Offset of the first byte that is not well-formed UTF-8 (RFC 3629), or npos.
size_t findInvalidUtf8(std::string_view text);

}  // namespace keelson::api
