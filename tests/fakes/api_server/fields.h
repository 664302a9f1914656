// Reading and writing fields of raw JSON objects by path.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace keelson::fakes {

// The value at "a.b.c"; null pointer if any part is absent. Path parts hold no dots.
const json::value* find(const json::object& object, std::string_view path);
// The text or number there; "" or `fallback` if absent or of another type.
std::string textAt(const json::object& object, std::string_view path);
int64_t numberAt(const json::object& object, std::string_view path, int64_t fallback = 0);
bool flagAt(const json::object& object, std::string_view path);
// The object or array there, made if it is absent or of another type.
json::object& objectAt(json::object& object, std::string_view path);
json::array& arrayAt(json::object& object, std::string_view path);
void eraseAt(json::object& object, std::string_view path);
// Sets `key` if it is absent or null.
void setDefault(json::object& object, std::string_view key, json::value value);
// `from` at `path` replaces that of `to`, absence included.
void copyAt(const json::object& from, json::object& to, std::string_view path);
// Fields that `object` lacks are taken from `defaults`; arrays of the same length go element by element.
void fillFrom(json::value& object, const json::value& defaults);
// Null members of objects are removed, at every depth, as decoding into Go structs does.
void dropNulls(json::value& value);

}  // namespace keelson::fakes
