#include "api/base64.h"
#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/api_server/kind_rules.h"

namespace keelson::fakes {
namespace {

constexpr int64_t kAffinitySeconds = 10800;  // core.DefaultClientIPServiceAffinitySeconds

template <class Each>
void eachObject(json::object& object, std::string_view path, Each each) {
  const auto* list = find(object, path);
  if (list == nullptr || !list->is_array()) return;
  for (auto& item : arrayAt(object, path)) {
    if (item.is_object()) each(item.get_object());
  }
}

void fillService(json::object& service) {
  auto& spec = objectAt(service, "spec");
  setDefault(spec, "type", "ClusterIP");
  setDefault(spec, "sessionAffinity", "None");
  if (textAt(spec, "type") != "ExternalName") setDefault(spec, "internalTrafficPolicy", "Cluster");
  if (textAt(spec, "sessionAffinity") == "ClientIP") {
    setDefault(objectAt(spec, "sessionAffinityConfig.clientIP"), "timeoutSeconds", kAffinitySeconds);
  } else {
    spec.erase("sessionAffinityConfig");
  }
  eachObject(spec, "ports", [](json::object& port) {
    setDefault(port, "protocol", "TCP");
    json::value target = port["port"];
    setDefault(port, "targetPort", std::move(target));
  });
}

void fillNode(json::object& node) {
  agreeOnFirst(node, "spec.podCIDR", "spec.podCIDRs", "");
  setDefault(objectAt(node, "status.daemonEndpoints.kubeletEndpoint"), "Port", 0);
  auto& info = objectAt(node, "status.nodeInfo");
  for (const char* field :
       {"machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion",
        "kubeletVersion", "kubeProxyVersion", "operatingSystem", "architecture"})
    setDefault(info, field, "");
}

void fillSecret(json::object& secret) {
  setDefault(secret, "type", "Opaque");
  if (const auto* texts = find(secret, "stringData"); texts != nullptr && texts->is_object()) {
    const json::object plain = texts->get_object();
    for (const auto& [key, value] : plain) {
      if (value.is_string())
        objectAt(secret, "data")[key] = api::encodeBase64(std::string(value.get_string()));
    }
  }
  secret.erase("stringData");
}

}  // namespace

void agreeOnFirst(json::object& object, const std::string& one, const std::string& many, const char* key) {
  const auto single = textAt(object, one);
  const auto* list = find(object, many);
  std::string first;
  if (list != nullptr && list->is_array() && !list->get_array().empty()) {
    const auto& item = list->get_array()[0];
    if (item.is_string()) first = std::string(item.get_string());
    if (item.is_object()) first = textAt(item.get_object(), key);
  }
  if (single == first) return;
  const auto last = one.rfind('.');
  if (single.empty()) {
    objectAt(object, one.substr(0, last))[one.substr(last + 1)] = first;
    return;
  }
  json::value item(single);
  if (*key != '\0') item = json::object{{key, single}};
  arrayAt(object, many) = json::array{std::move(item)};
}

void fillDefaults(json::object& object, const ResourceType& type) {
  const auto& plural = type.name.plural;
  if (plural == "services") fillService(object);
  if (plural == "nodes") fillNode(object);
  if (plural == "secrets") fillSecret(object);
  if (plural == "endpointslices")
    eachObject(object, "ports", [](json::object& port) { setDefault(port, "protocol", "TCP"); });
}

}  // namespace keelson::fakes
