#include "tests/fakes/api_server/references.h"

#include <algorithm>

#include "tests/fakes/api_server/fields.h"

namespace keelson::fakes {

bool refersTo(const json::value& value, const std::set<std::string>& keys, const std::string& name) {
  if (const auto* array = value.if_array()) {
    return std::any_of(array->begin(), array->end(),
                       [&](const auto& item) { return refersTo(item, keys, name); });
  }
  const auto* object = value.if_object();
  if (object == nullptr) return false;
  const auto isIt = [&](const std::string& found) {
    return !found.empty() && (name.empty() || found == name);
  };
  for (const auto& [key, member] : *object) {
    if (keys.count(std::string(key)) && member.is_object()) {
      const auto& reference = member.get_object();
      if (isIt(textAt(reference, "name")) || isIt(textAt(reference, "secretName"))) return true;
    }
    if (key == "imagePullSecrets" && keys.count("secret") && member.is_array()) {
      for (const auto& each : member.get_array())
        if (each.is_object() && isIt(textAt(each.get_object(), "name"))) return true;
    }
    if (refersTo(member, keys, name)) return true;
  }
  return false;
}

const std::set<std::string>& secretKeys() {
  static const std::set<std::string> kKeys = {"secret", "secretRef", "secretKeyRef"};
  return kKeys;
}

const std::set<std::string>& configMapKeys() {
  static const std::set<std::string> kKeys = {"configMap", "configMapRef", "configMapKeyRef"};
  return kKeys;
}

bool projectsAudience(const json::object& pod, const std::string& audience) {
  const auto* volumes = find(pod, "spec.volumes");
  if (volumes == nullptr || !volumes->is_array()) return false;
  for (const auto& volume : volumes->get_array()) {
    const auto* sources = volume.is_object() ? find(volume.get_object(), "projected.sources") : nullptr;
    if (sources == nullptr || !sources->is_array()) continue;
    for (const auto& source : sources->get_array()) {
      const auto* token = source.is_object() ? find(source.get_object(), "serviceAccountToken") : nullptr;
      if (token != nullptr && token->is_object() && textAt(token->get_object(), "audience") == audience)
        return true;
    }
  }
  return false;
}

}  // namespace keelson::fakes
