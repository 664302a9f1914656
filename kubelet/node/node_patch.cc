#include "kubelet/node/node_patch.h"

#include "api/codec.h"

namespace keelson::kubelet::node {
namespace {

const json::value* find(const json::value* list, const json::value& type) {
  if (list == nullptr || !list->is_array()) return nullptr;
  for (const json::value& item : list->get_array())
    if (item.as_object().at("type") == type) return &item;
  return nullptr;
}

json::object diff(const json::object& before, const json::object& after);

// Adds the patch of the conditions list to `patch`.
void diffConditions(const json::value* before, const json::value* after, json::object& patch) {
  json::array changed, order;
  if (after != nullptr) {
    for (const json::value& now : after->as_array()) {
      const json::value& type = now.as_object().at("type");
      order.push_back(json::object{{"type", type}});
      const json::value* was = find(before, type);
      if (was == nullptr) {
        changed.push_back(now);
      } else if (*was != now) {
        json::object part = diff(was->as_object(), now.as_object());
        part["type"] = type;
        changed.push_back(std::move(part));
      }
    }
  }
  if (before != nullptr) {
    for (const json::value& was : before->as_array()) {
      const json::value& type = was.as_object().at("type");
      if (find(after, type) == nullptr) changed.push_back(json::object{{"$patch", "delete"}, {"type", type}});
    }
  }
  patch["$setElementOrder/conditions"] = std::move(order);
  patch["conditions"] = std::move(changed);
}

// The merge patch from one object to the other; null removes.
json::object diff(const json::object& before, const json::object& after) {
  json::object patch;
  for (const auto& member : after) {
    const json::value* was = before.if_contains(member.key());
    const json::value& now = member.value();
    if (was != nullptr && *was == now) continue;
    if (member.key() == "conditions") {
      diffConditions(was, &now, patch);
    } else if (member.key() == "addresses") {
      json::array all = now.as_array();
      all.push_back(json::object{{"$patch", "replace"}});
      patch["addresses"] = std::move(all);
    } else if (was != nullptr && was->is_object() && now.is_object()) {
      patch[member.key()] = diff(was->get_object(), now.get_object());
    } else {
      patch[member.key()] = now;
    }
  }
  for (const auto& member : before)
    if (!after.contains(member.key())) patch[member.key()] = nullptr;
  return patch;
}

}  // namespace

json::object nodeStatusPatch(const api::Node& before, const api::Node& after) {
  api::Node target = after;
  target.spec = before.spec;
  return diff(api::encode(before).as_object(), api::encode(target).as_object());
}

}  // namespace keelson::kubelet::node
