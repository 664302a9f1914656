#include "tests/fakes/api_server/fields.h"

#include <vector>

namespace keelson::fakes {
namespace {

// Splits the last part off: the container of the field, made if needed.
std::pair<json::object*, std::string_view> parentOf(json::object& object, std::string_view path) {
  json::object* at = &object;
  for (auto dot = path.find('.'); dot != path.npos; dot = path.find('.')) {
    auto& next = (*at)[path.substr(0, dot)];
    if (!next.is_object()) next = json::object();
    at = &next.get_object();
    path.remove_prefix(dot + 1);
  }
  return {at, path};
}

}  // namespace

const json::value* find(const json::object& object, std::string_view path) {
  const json::object* at = &object;
  while (true) {
    const auto dot = path.find('.');
    const auto* value = at->if_contains(path.substr(0, dot));
    if (value == nullptr || dot == path.npos) return value;
    at = value->if_object();
    if (at == nullptr) return nullptr;
    path.remove_prefix(dot + 1);
  }
}

std::string textAt(const json::object& object, std::string_view path) {
  const auto* value = find(object, path);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

int64_t numberAt(const json::object& object, std::string_view path, int64_t fallback) {
  const auto* value = find(object, path);
  if (value == nullptr) return fallback;
  if (value->is_int64()) return value->get_int64();
  if (value->is_uint64()) return static_cast<int64_t>(value->get_uint64());
  return fallback;
}

bool flagAt(const json::object& object, std::string_view path) {
  const auto* value = find(object, path);
  return value != nullptr && value->is_bool() && value->get_bool();
}

json::object& objectAt(json::object& object, std::string_view path) {
  const auto [parent, name] = parentOf(object, path);
  auto& value = (*parent)[name];
  if (!value.is_object()) value = json::object();
  return value.get_object();
}

json::array& arrayAt(json::object& object, std::string_view path) {
  const auto [parent, name] = parentOf(object, path);
  auto& value = (*parent)[name];
  if (!value.is_array()) value = json::array();
  return value.get_array();
}

void eraseAt(json::object& object, std::string_view path) {
  if (find(object, path) == nullptr) return;
  const auto [parent, name] = parentOf(object, path);
  parent->erase(name);
}

void setDefault(json::object& object, std::string_view key, json::value value) {
  auto& place = object[key];
  if (place.is_null()) place = std::move(value);
}

void copyAt(const json::object& from, json::object& to, std::string_view path) {
  const auto* value = find(from, path);
  if (value == nullptr) return eraseAt(to, path);
  json::value copy = *value;
  const auto [parent, name] = parentOf(to, path);
  (*parent)[name] = std::move(copy);
}

void fillFrom(json::value& object, const json::value& defaults) {
  if (object.is_object() && defaults.is_object()) {
    for (const auto& [key, value] : defaults.get_object()) {
      auto& place = object.get_object()[key];
      if (place.is_null()) {
        place = value;
      } else {
        fillFrom(place, value);
      }
    }
  } else if (object.is_array() && defaults.is_array() &&
             object.get_array().size() == defaults.get_array().size()) {
    for (size_t i = 0; i < object.get_array().size(); ++i)
      fillFrom(object.get_array()[i], defaults.get_array()[i]);
  }
}

void dropNulls(json::value& value) {
  if (auto* array = value.if_array()) {
    for (auto& item : *array) dropNulls(item);
    return;
  }
  auto* object = value.if_object();
  if (object == nullptr) return;
  std::vector<std::string> nulls;
  for (auto& [key, member] : *object) {
    if (member.is_null()) {
      nulls.emplace_back(key);
    } else {
      dropNulls(member);
    }
  }
  for (const auto& key : nulls) object->erase(key);
}

}  // namespace keelson::fakes
