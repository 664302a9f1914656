#include <map>

#include "tests/fakes/api_server/patch.h"

namespace keelson::fakes {
namespace {

using Rules = std::map<std::string, FieldRule, std::less<>>;

Rules kindRules(const std::string& kind, Rules rules = {}) {
  rules["metadata"] = {"ObjectMeta"};
  rules["spec"] = {kind + "Spec"};
  rules["status"] = {kind + "Status"};
  return rules;
}

// grep patchStrategy staging/src/k8s.io/api/core/v1/types.go
std::map<std::string, Rules> allRules() {
  std::map<std::string, Rules> all;
  for (const char* kind : {"Pod", "Node", "Service", "Namespace", "ConfigMap", "Secret", "Lease", "Event",
                           "Endpoints", "EndpointSlice", "RuntimeClass", "CertificateSigningRequest"})
    all[kind] = kindRules(kind);
  all["ServiceAccount"] = kindRules("ServiceAccount", {{"secrets", {"", true, "name"}}});
  all["ObjectMeta"] = {{"ownerReferences", {"", true, "uid"}}, {"finalizers", {"", true, ""}}};
  all["PodSpec"] = {{"volumes", {"Volume", true, "name"}},
                    {"initContainers", {"Container", true, "name"}},
                    {"containers", {"Container", true, "name"}},
                    {"ephemeralContainers", {"Container", true, "name"}},
                    {"imagePullSecrets", {"", true, "name"}},
                    {"hostAliases", {"", true, "ip"}},
                    {"topologySpreadConstraints", {"", true, "topologyKey"}},
                    {"schedulingGates", {"", true, "name"}},
                    {"resourceClaims", {"", true, "name"}}};
  all["Container"] = {{"ports", {"", true, "containerPort"}},
                      {"env", {"", true, "name"}},
                      {"volumeMounts", {"", true, "mountPath"}},
                      {"volumeDevices", {"", true, "devicePath"}}};
  // containerStatuses, initContainerStatuses and ephemeralContainerStatuses are replaced as a whole.
  all["PodStatus"] = {{"conditions", {"", true, "type"}},
                      {"hostIPs", {"", true, "ip"}},
                      {"podIPs", {"", true, "ip"}},
                      {"resourceClaimStatuses", {"", true, "name"}}};
  all["NodeSpec"] = {{"podCIDRs", {"", true, ""}}};  // taints are replaced as a whole
  all["NodeStatus"] = {{"conditions", {"", true, "type"}}, {"addresses", {"", true, "type"}}};
  all["NamespaceStatus"] = {{"conditions", {"", true, "type"}}};
  all["ServiceSpec"] = {{"ports", {"", true, "port"}}};
  all["ServiceStatus"] = {{"conditions", {"", true, "type"}}};
  return all;
}

}  // namespace

FieldRule fieldRule(const std::string& type, std::string_view field) {
  static const auto all = allRules();
  const auto rules = all.find(type);
  if (rules == all.end()) return {};
  const auto rule = rules->second.find(field);
  return rule == rules->second.end() ? FieldRule{} : rule->second;
}

std::string patchProblem(const json::object& patch, const std::string& type) {
  for (const auto& [key, value] : patch) {
    const auto rule = fieldRule(type, key);
    if (rule.merge && !value.is_array() && !value.is_null()) {
      return fmt::format("cannot restore slice from {}", value.is_string()   ? "string"
                                                         : value.is_object() ? "map"
                                                         : value.is_bool()   ? "bool"
                                                                             : "int64");
    }
    if (rule.merge || !value.is_object()) continue;
    if (auto problem = patchProblem(value.get_object(), rule.type); !problem.empty()) return problem;
  }
  return "";
}

std::string goText(const json::value& value) {
  if (const auto* text = value.if_string()) return std::string(*text);
  if (value.is_null()) return "<nil>";
  if (const auto* list = value.if_array()) {
    std::string out;
    for (const auto& item : *list) out += (out.empty() ? "" : " ") + goText(item);
    return "[" + out + "]";
  }
  if (const auto* object = value.if_object()) {
    std::map<std::string, std::string> sorted;
    for (const auto& [key, member] : *object) sorted[std::string(key)] = goText(member);
    std::string out;
    for (const auto& [key, text] : sorted) out += (out.empty() ? "" : " ") + key + ":" + text;
    return "map[" + out + "]";
  }
  return json::serialize(value);
}

}  // namespace keelson::fakes
