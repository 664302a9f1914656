// Fields of JSON documents from outside, each with the error that names it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace keelson::runtime::images {

// Absent and null are the same thing in these documents (Go writes nil slices as null): they give
// an empty value. A value of another type is kDataLoss with the field's name.
inline Error wrongType(std::string_view field, std::string_view expected) {
  return makeError(Code::kDataLoss, "{}: expected {}", field, expected);
}

inline const json::value* findField(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

inline Result<const json::object*> asObject(const json::value& value, std::string_view what) {
  if (!value.is_object()) return wrongType(what, "an object");
  return &value.get_object();
}

// nullptr if absent.
inline Result<const json::object*> objectField(const json::object& object, std::string_view name) {
  const auto* value = findField(object, name);
  if (value == nullptr) return static_cast<const json::object*>(nullptr);
  return asObject(*value, name);
}

// nullptr if absent.
inline Result<const json::array*> arrayField(const json::object& object, std::string_view name) {
  const auto* value = findField(object, name);
  if (value == nullptr) return static_cast<const json::array*>(nullptr);
  if (!value->is_array()) return wrongType(name, "a list");
  return &value->get_array();
}

inline Result<std::string> stringField(const json::object& object, std::string_view name) {
  const auto* value = findField(object, name);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return wrongType(name, "a string");
  return std::string(value->get_string());
}

inline Result<int64_t> integerField(const json::object& object, std::string_view name) {
  const auto* value = findField(object, name);
  if (value == nullptr) return int64_t{0};
  if (!value->is_int64()) return wrongType(name, "an integer");
  return value->get_int64();
}

inline Result<std::vector<std::string>> stringsField(const json::object& object, std::string_view name) {
  std::vector<std::string> strings;
  const auto* array = TRY(arrayField(object, name));
  if (array == nullptr) return strings;
  for (const auto& item : *array) {
    if (!item.is_string()) return wrongType(name, "a list of strings");
    strings.emplace_back(item.get_string());
  }
  return strings;
}

inline Result<std::map<std::string, std::string>> stringMapField(const json::object& object,
                                                                 std::string_view name) {
  std::map<std::string, std::string> map;
  const auto* fields = TRY(objectField(object, name));
  if (fields == nullptr) return map;
  for (const auto& field : *fields) {
    if (!field.value().is_string()) return wrongType(name, "a map of strings");
    map.emplace(field.key(), std::string(field.value().get_string()));
  }
  return map;
}

}  // namespace keelson::runtime::images
