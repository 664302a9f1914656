#include "tests/fakes/api_server/node_rules.h"

#include <algorithm>
#include <set>

#include "tests/fakes/api_server/api_server.h"
#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/api_server/node_restriction.h"
#include "tests/fakes/api_server/pod_rules.h"
#include "tests/fakes/api_server/references.h"

namespace keelson::fakes {
namespace {

constexpr std::string_view kNodePrefix = "system:node:";

bool inGroup(const User& user, const std::string& group) {
  return std::find(user.groups.begin(), user.groups.end(), group) != user.groups.end();
}

std::string verbOf(const ServerCall& call, const ResourcePath& path) {
  const auto watch = call.param("watch");
  if (call.method == "GET") {
    if (watch == "1" || watch == "true") return "watch";
    return path.name.empty() ? "list" : "get";
  }
  if (call.method == "POST") return "create";
  if (call.method == "PUT") return "update";
  if (call.method == "PATCH") return "patch";
  return path.name.empty() ? "deletecollection" : "delete";
}

bool isRelated(const NodeQuestion& question, const std::set<std::string>& keys, const std::string& name) {
  for (const auto& [key, pod] : question.store.all("pods")) {
    if (!question.ownPod(pod) || isMirrorPod(*pod)) continue;
    if (textAt(*pod, "metadata.namespace") == question.path.name_space &&
        refersTo(pod->at("spec"), keys, name))
      return true;
  }
  return false;
}

Refusal configRule(const NodeQuestion& question, const std::set<std::string>& keys) {
  if (!question.reads()) return "can only read resources of this type";
  if (question.path.name_space.empty()) return "can only read namespaced object of this type";
  const auto name = question.path.name.empty() ? question.selected("metadata.name") : question.path.name;
  if (name.empty()) return "No Object name found";
  if (isRelated(question, keys, name)) return std::nullopt;
  return "no relationship found between node '" + question.node + "' and this object";
}

Refusal podRule(const NodeQuestion& question) {
  if (question.is({"list", "watch"})) {
    if (question.selected("spec.nodeName") == question.node) return std::nullopt;
    return "can only list/watch pods with spec.nodeName field selector";
  }
  if (question.verb == "get") {
    const auto pod = question.pod(question.path.name);
    if (question.ownPod(pod)) return std::nullopt;  // a pod that is gone is tied to no node
    return "no relationship found between node '" + question.node + "' and this object";
  }
  return question.is({"create", "delete"}) ? std::nullopt : Refusal("");
}

Refusal nodeRule(const NodeQuestion& question, bool proxier) {
  if (question.is({"create", "update", "patch"})) return std::nullopt;
  if (!question.reads()) return "";
  if (proxier) return std::nullopt;
  const auto name = question.path.name.empty() ? question.selected("metadata.name") : question.path.name;
  if (name == question.node) return std::nullopt;
  if (name.empty()) return "node '" + question.node + "' cannot read all nodes, only its own Node object";
  return "node '" + question.node + "' cannot read '" + name + "', only its own Node object";
}

Refusal leaseRule(const NodeQuestion& question) {
  if (!question.is({"get", "create", "update", "patch", "delete"}))
    return "can only get, create, update, patch, or delete a node lease";
  if (question.path.name_space != "kube-node-lease")
    return "can only access leases in the \"kube-node-lease\" system namespace";
  if (question.verb != "create" && question.path.name != question.node)
    return "can only access node lease with the same name as the requesting node";
  return std::nullopt;
}

Refusal accountRule(const NodeQuestion& question) {
  if (question.verb == "get" && question.resource == "serviceaccounts") return std::nullopt;
  if (question.resource != "serviceaccounts/token")
    return "can only create token subresource of serviceaccount";
  for (const auto& [key, pod] : question.store.all("pods")) {
    if (question.ownPod(pod) && textAt(*pod, "metadata.namespace") == question.path.name_space &&
        textAt(*pod, "spec.serviceAccountName") == question.path.name)
      return std::nullopt;
  }
  return "no relationship found between node '" + question.node + "' and this object";
}

Refusal authorize(const NodeQuestion& question, bool proxier) {
  const auto& resource = question.resource;
  if (resource == "pods") return podRule(question);
  if (resource == "pods/status") return question.is({"update", "patch"}) ? std::nullopt : Refusal("");
  if (resource == "pods/eviction") return question.verb == "create" ? std::nullopt : Refusal("");
  if (resource == "nodes") return nodeRule(question, proxier);
  if (resource == "nodes/status") return question.is({"update", "patch"}) ? std::nullopt : Refusal("");
  if (resource == "configmaps") return configRule(question, configMapKeys());
  if (resource == "secrets") return configRule(question, secretKeys());
  if (resource == "leases") return leaseRule(question);
  if (question.path.type->name.plural == "serviceaccounts") return accountRule(question);
  if (resource == "services" || resource == "runtimeclasses")
    return question.reads() ? std::nullopt : Refusal("");
  if (resource == "events") return question.is({"create", "update", "patch"}) ? std::nullopt : Refusal("");
  if (resource == "certificatesigningrequests")
    return question.verb == "create" || question.reads() ? std::nullopt : Refusal("");
  if (question.path.type->review && resource != "bindings") return std::nullopt;
  if (resource == "endpoints" && question.verb == "get") return std::nullopt;
  if (proxier && (resource == "endpointslices" || resource == "endpoints"))
    return question.is({"list", "watch"}) ? std::nullopt : Refusal("");
  return "";
}

Answer refusal(const ServerCall& call, const ResourcePath& path, const std::string& reason) {
  const auto& name = path.type->name;
  const auto resource = path.subresource.empty() ? name.plural : name.plural + "/" + path.subresource;
  auto why = fmt::format("User \"{}\" cannot {} resource \"{}\" in API group \"{}\"", call.user.name,
                         verbOf(call, path), resource, name.group);
  why += path.name_space.empty() ? " at the cluster scope" : " in the namespace \"" + path.name_space + "\"";
  if (!reason.empty()) why += ": " + reason;
  return forbidden(name, path.name, why);
}

}  // namespace

std::optional<Answer> nodeRefusal(const ObjectStore& store, const ServerCall& call, const ResourcePath& path,
                                  bool proxier) {
  NodeQuestion question{store, call, path, verbOf(call, path), path.type->name.plural, ""};
  if (!path.subresource.empty()) question.resource += "/" + path.subresource;
  if (inGroup(call.user, "system:bootstrappers")) {
    if (question.resource == "certificatesigningrequests" && (question.verb == "create" || question.reads()))
      return std::nullopt;
    if (path.type->review && question.resource != "bindings") return std::nullopt;
    return refusal(call, path, "");
  }
  if (!inGroup(call.user, "system:nodes") || !call.user.name.starts_with(kNodePrefix)) return std::nullopt;
  question.node = call.user.name.substr(kNodePrefix.size());
  if (const auto reason = authorize(question, proxier)) return refusal(call, path, *reason);
  if (const auto reason = admitNodeRequest(question))
    return forbidden(path.type->name, question.objectName(), *reason);
  return std::nullopt;
}

bool isStranger(const std::vector<std::string>& groups) {
  for (const char* known :
       {"system:masters", "system:nodes", "system:bootstrappers", "system:serviceaccounts"})
    if (std::find(groups.begin(), groups.end(), known) != groups.end()) return false;
  return true;
}

std::optional<Answer> strangerRefusal(const ServerCall& call) {
  if (!isStranger(call.user.groups)) return std::nullopt;
  for (const char* open : {"/version", "/healthz", "/livez", "/readyz"})  // system:public-info-viewer
    if (call.path == open) return std::nullopt;
  const bool known = inGroup(call.user, "system:authenticated");
  const auto path = parseResourcePath(call.path);
  if (path.type != nullptr) {
    if (known && path.type->name.plural == "selfsubjectaccessreviews")
      return std::nullopt;  // system:basic-user
    return refusal(call, path, "");
  }
  if (known && (call.path.starts_with("/api"))) return std::nullopt;  // system:discovery
  auto verb = call.method;
  std::transform(verb.begin(), verb.end(), verb.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return statusFailure(
      403, "Forbidden",
      fmt::format("forbidden: User \"{}\" cannot {} path \"{}\"", call.user.name, verb, call.path));
}

}  // namespace keelson::fakes
