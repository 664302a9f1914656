#include "tests/fakes/api_server/patch.h"

#include <algorithm>

namespace keelson::fakes {
namespace {

constexpr std::string_view kOrder = "$setElementOrder/", kDeleteList = "$deleteFromPrimitiveList/";
constexpr std::string_view kPatch = "$patch", kRetainKeys = "$retainKeys";

bool isDirective(std::string_view key) {
  return key == kPatch || key == kRetainKeys || key.starts_with(kOrder) || key.starts_with(kDeleteList);
}

// What a patch means where nothing was before: its values without directives, nulls and deletions.
json::value withoutDirectives(const json::value& patch) {
  if (const auto* object = patch.if_object()) {
    json::object out;
    for (const auto& [key, value] : *object) {
      if (!isDirective(key) && !value.is_null()) out[key] = withoutDirectives(value);
    }
    return out;
  }
  if (const auto* array = patch.if_array()) {
    json::array out;
    for (const auto& item : *array) {
      const auto* object = item.if_object();
      if (object == nullptr || !object->contains(kPatch)) out.push_back(withoutDirectives(item));
    }
    return out;
  }
  return patch;
}

// The identity of a list's item: its merge key's value, or itself.
const json::value* identity(const json::value& item, const std::string& key) {
  if (key.empty()) return &item;
  const auto* object = item.if_object();
  return object == nullptr ? nullptr : object->if_contains(key);
}

ptrdiff_t indexOf(const json::array& list, const json::value& wanted, const std::string& key) {
  const auto* id = identity(wanted, key);
  for (size_t i = 0; i < list.size(); ++i) {
    const auto* other = identity(list[i], key);
    if (id != nullptr && other != nullptr && *id == *other) return static_cast<ptrdiff_t>(i);
  }
  return -1;
}

// Upstream's normalizeElementOrder: items that the patch names stand in its order, the server's own keep
// their place among them as far as that is possible.
json::array ordered(const json::array& merged, const json::array& order, const json::array& before,
                    const std::string& key) {
  json::array named, own;
  for (const auto& item : merged) (indexOf(order, item, key) >= 0 ? named : own).push_back(item);
  const auto sortBy = [&](json::array& list, const json::array& by) {
    std::stable_sort(list.begin(), list.end(),
                     [&](const auto& a, const auto& b) { return indexOf(by, a, key) < indexOf(by, b, key); });
  };
  sortBy(named, order);
  sortBy(own, before);
  json::array out;
  size_t i = 0, j = 0;
  while (i < own.size() || j < named.size()) {
    bool take_own = j >= named.size();
    if (i < own.size() && j < named.size()) {
      const auto left = indexOf(before, own[i], key), right = indexOf(before, named[j], key);
      take_own = left >= 0 && right >= 0 && left < right;
    }
    out.push_back(take_own ? own[i++] : named[j++]);
  }
  return out;
}

Outcome<json::object> mergeObject(json::object original, const json::object& patch, const std::string& type);

Outcome<json::array> mergeItems(json::array list, const json::array& patch, const FieldRule& rule) {
  if (rule.merge_key.empty()) {
    for (const auto& item : patch) {
      if (indexOf(list, item, "") < 0) list.push_back(item);
    }
    return list;
  }
  for (const auto& item : patch) {  // {$patch: replace} among the items: the others are the list
    const auto* object = item.if_object();
    const auto* directive = object == nullptr ? nullptr : object->if_contains(kPatch);
    if (directive != nullptr && *directive == "replace") return withoutDirectives(patch).as_array();
  }
  for (const auto& item : patch) {
    const auto* object = item.if_object();
    if (object == nullptr)
      return badRequest("invalid patch format of a list that merges by " + rule.merge_key);
    if (!object->contains(rule.merge_key)) {
      return internalError(fmt::format("map: {} does not contain declared merge key: {}",
                                       json::serialize(item), rule.merge_key));
    }
    const auto at = indexOf(list, item, rule.merge_key);
    const auto* directive = object->if_contains(kPatch);
    if (directive != nullptr && *directive == "delete") {
      if (at >= 0) list.erase(list.begin() + at);
    } else if (at < 0) {
      list.push_back(withoutDirectives(item));
    } else {
      auto& place = list[static_cast<size_t>(at)];
      place = TRY(mergeObject(place.as_object(), *object, rule.type));
    }
  }
  return list;
}

Outcome<void> mergeList(json::object& original, std::string_view field, const json::array* patch,
                        const json::object& whole, const FieldRule& rule) {
  json::array before;
  if (const auto* had = original.if_contains(field); had != nullptr && had->is_array())
    before = had->get_array();
  json::array list = before;
  if (const auto* gone = whole.if_contains(std::string(kDeleteList) + std::string(field))) {
    if (!gone->is_array()) return badRequest("invalid patch format of primitive list");
    for (const auto& item : gone->get_array()) {
      if (const auto at = indexOf(list, item, ""); at >= 0) list.erase(list.begin() + at);
    }
  }
  if (patch != nullptr) list = TRY(mergeItems(std::move(list), *patch, rule));
  if (const auto* order = whole.if_contains(std::string(kOrder) + std::string(field))) {
    if (!order->is_array()) return badRequest("invalid patch format of setElementOrder list");
    list = ordered(list, order->get_array(), before, rule.merge_key);
  } else if (patch != nullptr) {  // mergeSlice: without an order, the patch's own
    list = ordered(list, *patch, before, rule.merge_key);
  }
  original[field] = std::move(list);
  return {};
}

Outcome<json::object> mergeObject(json::object original, const json::object& patch, const std::string& type) {
  if (const auto* directive = patch.if_contains(kPatch)) {
    if (*directive == "replace") {
      json::object replaced = patch;
      replaced.erase(kPatch);
      return replaced;
    }
    if (*directive == "delete") return json::object();
    if (*directive != "merge") return badRequest("unknown patch type: " + json::serialize(*directive));
  }
  if (const auto* retain = patch.if_contains(kRetainKeys)) {
    if (!retain->is_array()) return badRequest("invalid patch format of retainKeys");
    json::object kept;
    for (const auto& [key, value] : original) {
      if (indexOf(retain->get_array(), json::value(key), "") >= 0) kept[key] = value;
    }
    original = std::move(kept);
  }
  for (const auto& [key, value] : patch) {
    const std::string_view name = key;
    if (name == kPatch || name == kRetainKeys) continue;
    const bool is_delete = name.starts_with(kDeleteList), is_order = name.starts_with(kOrder);
    if (is_delete || is_order) {  // alone, without the list itself
      const auto field = name.substr((is_delete ? kDeleteList : kOrder).size());
      const bool done_elsewhere = patch.contains(field) ||
                                  (is_order && patch.contains(std::string(kDeleteList) + std::string(field)));
      if (!done_elsewhere) TRY(mergeList(original, field, nullptr, patch, fieldRule(type, field)));
      continue;
    }
    if (value.is_null()) {
      original.erase(name);
      continue;
    }
    const auto rule = fieldRule(type, name);
    auto* had = original.if_contains(name);
    if (value.is_object() && had != nullptr && had->is_object()) {
      *had = TRY(mergeObject(std::move(had->get_object()), value.get_object(), rule.type));
    } else if (value.is_array() && rule.merge) {
      TRY(mergeList(original, name, &value.get_array(), patch, rule));
    } else {
      original[name] = withoutDirectives(value);
    }
  }
  return original;
}

}  // namespace

json::value mergePatch(json::value original, const json::value& patch) {
  const auto* changes = patch.if_object();
  if (changes == nullptr) return patch;
  json::object out;
  if (original.is_object()) out = std::move(original.get_object());
  for (const auto& [key, value] : *changes) {
    if (value.is_null()) {
      out.erase(key);
    } else {
      auto& place = out[key];
      place = mergePatch(std::move(place), value);
    }
  }
  return out;
}

Outcome<json::object> strategicMergePatch(json::object original, const json::object& patch,
                                          std::string_view kind) {
  if (const auto problem = patchProblem(patch, std::string(kind)); !problem.empty())
    return invalidPatch(goText(patch), problem);
  return mergeObject(std::move(original), patch, std::string(kind));
}

}  // namespace keelson::fakes
