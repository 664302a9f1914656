// YAML to JSON values as Kubernetes reads it, and back for people.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace keelson::api {

inline constexpr size_t kMaxYamlNodes = 100'000;  // of one text, aliases expanded
inline constexpr size_t kMaxYamlDepth = 64;
inline constexpr size_t kMaxYamlScalarBytes = size_t{16} << 20;  // of one text, aliases expanded

struct YamlDocument {
  json::value value;
  int line = 1;  // where it starts
};

// Every document of the text; empty ones are left out. A text that is one JSON value is read as JSON.
// Plain scalars mean what they mean to sigs.k8s.io/yaml (YAML 1.1 with Go's integers): yes, no, on, off,
// y, n are booleans, 0644 and 0o644 are 420, quoted ones stay strings, timestamps stay strings; merge
// keys (<<) are merged. Keys become strings. kInvalidArgument "line 7: ..." for syntax, duplicate keys,
// unknown tags, values that JSON cannot hold and bytes that are not UTF-8; kResourceExhausted beyond a
// limit above (aliases count each time they are used).
Result<std::vector<YamlDocument>> parseYaml(std::string_view text);

// Block style with sorted keys, as kubectl prints it; parseYaml gives the same value back.
std::string renderYaml(const json::value& value);

}  // namespace keelson::api
