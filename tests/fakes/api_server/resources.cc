#include "tests/fakes/api_server/resources.h"

#include <algorithm>
#include <map>

namespace keelson::fakes {
namespace {

ResourceType core(std::string plural, std::string kind, bool namespaced, std::vector<std::string> short_names,
                  std::vector<std::string> subresources = {}) {
  return {{"", std::move(plural), std::move(kind)},
          "v1",
          namespaced,
          false,
          false,
          std::move(short_names),
          std::move(subresources)};
}

ResourceType grouped(std::string group, std::string plural, std::string kind, bool namespaced) {
  return {{std::move(group), std::move(plural), std::move(kind)}, "v1", namespaced, false, false, {}, {}};
}

std::vector<ResourceType> makeTypes() {
  std::vector<ResourceType> all;
  all.push_back(core("pods", "Pod", true, {"po"},
                     {"status", "binding", "eviction", "ephemeralcontainers", "resize", "log", "exec",
                      "attach", "portforward"}));
  all.push_back(core("nodes", "Node", false, {"no"}, {"status"}));
  all.push_back(core("namespaces", "Namespace", false, {"ns"}, {"status", "finalize"}));
  all.push_back(core("configmaps", "ConfigMap", true, {"cm"}));
  all.push_back(core("secrets", "Secret", true, {}));
  all.push_back(core("services", "Service", true, {"svc"}, {"status"}));
  all.push_back(core("endpoints", "Endpoints", true, {"ep"}));
  all.push_back(core("serviceaccounts", "ServiceAccount", true, {"sa"}, {"token"}));
  all.push_back(core("events", "Event", true, {"ev"}));
  all.back().create_on_put = true;
  all.push_back(core("bindings", "Binding", true, {}));
  all.back().review = true;
  all.push_back(grouped("events.k8s.io", "events", "Event", true));
  all.back().short_names = {"ev"};
  all.back().create_on_put = true;
  all.push_back(grouped("coordination.k8s.io", "leases", "Lease", true));
  all.back().create_on_put = true;
  all.push_back(grouped("discovery.k8s.io", "endpointslices", "EndpointSlice", true));
  all.push_back(grouped("node.k8s.io", "runtimeclasses", "RuntimeClass", false));
  all.push_back(
      grouped("certificates.k8s.io", "certificatesigningrequests", "CertificateSigningRequest", false));
  all.back().short_names = {"csr"};
  all.back().subresources = {"status", "approval"};
  all.push_back(grouped("authentication.k8s.io", "tokenreviews", "TokenReview", false));
  all.back().review = true;
  for (const char* kind : {"SubjectAccessReview", "SelfSubjectAccessReview"}) {
    std::string plural = kind;
    std::transform(plural.begin(), plural.end(), plural.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    all.push_back(grouped("authorization.k8s.io", plural + "s", kind, false));
    all.back().review = true;
  }
  return all;
}

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  for (size_t at = 0; at < path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    if (end > at) parts.emplace_back(path.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

json::array verbsOf(const ResourceType& type) {
  if (type.review) return {"create"};
  return {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"};
}

json::object resourceList(std::string_view group, std::string_view version) {
  json::array resources;
  for (const auto& type : resourceTypes()) {
    if (type.name.group != group || type.version != version) continue;
    std::string singular = type.name.kind;
    std::transform(singular.begin(), singular.end(), singular.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    json::object entry{{"name", type.name.plural},
                       {"singularName", singular},
                       {"namespaced", type.namespaced},
                       {"kind", type.name.kind},
                       {"verbs", verbsOf(type)}};
    if (!type.short_names.empty()) entry["shortNames"] = json::value_from(type.short_names);
    if (type.name.plural == "pods") entry["categories"] = json::array{"all"};
    resources.push_back(std::move(entry));
    for (const auto& sub : type.subresources) {
      const bool reads =
          sub == "status" || sub == "ephemeralcontainers" || sub == "resize" || sub == "approval";
      resources.push_back(
          json::object{{"name", type.name.plural + "/" + sub},
                       {"singularName", ""},
                       {"namespaced", type.namespaced},
                       {"kind", sub == "token"     ? "TokenRequest"
                                : sub == "binding" ? "Binding"
                                                   : type.name.kind},
                       {"verbs", reads ? json::array{"get", "patch", "update"} : json::array{"create"}}});
    }
  }
  const std::string group_version =
      group.empty() ? std::string(version) : std::string(group) + "/" + std::string(version);
  return {{"kind", "APIResourceList"},
          {"apiVersion", "v1"},
          {"groupVersion", group_version},
          {"resources", std::move(resources)}};
}

json::object groupObject(const std::string& group) {
  json::object version{{"groupVersion", group + "/v1"}, {"version", "v1"}};
  return {{"name", group}, {"versions", json::array{version}}, {"preferredVersion", version}};
}

json::object groupList() {
  json::array groups;
  std::vector<std::string> seen;
  for (const auto& type : resourceTypes()) {
    if (type.name.group.empty() || std::count(seen.begin(), seen.end(), type.name.group)) continue;
    seen.push_back(type.name.group);
    groups.push_back(groupObject(type.name.group));
  }
  return {{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(groups)}};
}

}  // namespace

bool ResourceType::has(std::string_view subresource) const {
  return std::find(subresources.begin(), subresources.end(), subresource) != subresources.end();
}

const std::vector<ResourceType>& resourceTypes() {
  static const auto kTypes = makeTypes();
  return kTypes;
}

const ResourceType* resourceOf(std::string_view group, std::string_view plural) {
  for (const auto& type : resourceTypes()) {
    if (type.name.group == group && type.name.plural == plural) return &type;
  }
  return nullptr;
}

const ResourceType* resourceOfKind(std::string_view api_version, std::string_view kind) {
  for (const auto& type : resourceTypes()) {
    if (type.apiVersion() == api_version && type.name.kind == kind) return &type;
  }
  return nullptr;
}

ResourcePath parseResourcePath(std::string_view path) {
  auto parts = split(path);
  std::string group;
  size_t at = 0;
  if (parts.size() >= 3 && parts[0] == "api" && parts[1] == "v1") {
    at = 2;
  } else if (parts.size() >= 4 && parts[0] == "apis" && parts[2] == "v1") {
    group = parts[1];
    at = 3;
  } else {
    return {};
  }
  ResourcePath found;
  if (parts[at] == "namespaces" && parts.size() - at >= 3 && resourceOf(group, parts[at + 2]) != nullptr) {
    found.name_space = parts[at + 1];
    at += 2;
  }
  const auto* type = resourceOf(group, parts[at]);
  if (type == nullptr || parts.size() - at > 3) return {};
  if (!type->namespaced && !found.name_space.empty()) return {};
  if (parts.size() - at >= 2) found.name = parts[at + 1];
  if (parts.size() - at == 3) found.subresource = parts[at + 2];
  if (type->namespaced && !found.name.empty() && found.name_space.empty()) return {};
  if (!found.subresource.empty() && !type->has(found.subresource)) return {};
  found.type = type;
  return found;
}

std::optional<Answer> discovery(std::string_view path) {
  const auto parts = split(path);
  if (path == "/healthz" || path == "/livez" || path == "/readyz") return Answer{200, "ok", {}};
  if (path == "/version") {
    return Answer{200,
                  json::object{{"major", "1"},
                               {"minor", "36"},
                               {"gitVersion", "v1.36.0"},
                               {"gitCommit", "0000000000000000000000000000000000000000"},
                               {"gitTreeState", "clean"},
                               {"buildDate", "2026-04-22T00:00:00Z"},
                               {"goVersion", "none: keelson's stand-in"},
                               {"compiler", "g++"},
                               {"platform", "linux/amd64"}},
                  {}};
  }
  if (parts.empty()) return std::nullopt;
  if (parts[0] == "api" && parts.size() == 1) {
    return Answer{200,
                  json::object{{"kind", "APIVersions"},
                               {"versions", json::array{"v1"}},
                               {"serverAddressByClientCIDRs", json::array()}},
                  {}};
  }
  if (parts[0] == "api" && parts.size() == 2 && parts[1] == "v1")
    return Answer{200, resourceList("", "v1"), {}};
  if (parts[0] != "apis") return std::nullopt;
  if (parts.size() == 1) return Answer{200, groupList(), {}};
  const auto known = std::any_of(resourceTypes().begin(), resourceTypes().end(), [&](const auto& type) {
    return !type.name.group.empty() && type.name.group == parts[1];
  });
  if (!known) return std::nullopt;
  if (parts.size() == 2) {
    auto group = groupObject(parts[1]);
    group["kind"] = "APIGroup";
    group["apiVersion"] = "v1";
    return Answer{200, std::move(group), {}};
  }
  if (parts.size() == 3 && parts[2] == "v1") return Answer{200, resourceList(parts[1], "v1"), {}};
  return std::nullopt;
}

}  // namespace keelson::fakes
