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

}  // namespace keelson::fakes
