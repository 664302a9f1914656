#include "tests/fakes/api_server/node_rules.h"

#include <algorithm>
#include <set>

#include "tests/fakes/api_server/api_server.h"
#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/api_server/pod_rules.h"
#include "tests/fakes/api_server/selectors.h"

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

// One request of a node, with what the rules ask about it.
struct Question {
  const ObjectStore& store;
  const ServerCall& call;
  const ResourcePath& path;
  std::string verb, resource, node;  // resource: "pods/status"

  bool is(std::initializer_list<std::string_view> verbs) const {
    return std::find(verbs.begin(), verbs.end(), verb) != verbs.end();
  }
  bool reads() const { return is({"get", "list", "watch"}); }
  // The value that a field selector demands of `field`; "" if none.
  std::string selected(const std::string& field) const {
    auto parsed = parseFieldSelector(call.param("fieldSelector"), path.type->name);
    if (!parsed) return "";
    for (const auto& requirement : parsed.value())
      if (requirement.field == field && requirement.equal) return requirement.value;
    return "";
  }
  Object pod(const std::string& name) const { return store.get("pods", path.name_space + "/" + name); }
  bool ownPod(const Object& pod) const { return pod && textAt(*pod, "spec.nodeName") == node; }
};

// A name of a reference anywhere in a pod: volumes, projections, env, envFrom, imagePullSecrets.
bool refersTo(const json::value& value, const std::set<std::string>& keys, const std::string& name) {
  if (const auto* array = value.if_array()) {
    return std::any_of(array->begin(), array->end(),
                       [&](const auto& item) { return refersTo(item, keys, name); });
  }
  const auto* object = value.if_object();
  if (object == nullptr) return false;
  for (const auto& [key, member] : *object) {
    if (keys.count(std::string(key)) && member.is_object()) {
      const auto& reference = member.get_object();
      if (textAt(reference, "name") == name || textAt(reference, "secretName") == name) return true;
    }
    if (key == "imagePullSecrets" && keys.count("secret") && member.is_array()) {
      for (const auto& each : member.get_array())
        if (each.is_object() && textAt(each.get_object(), "name") == name) return true;
    }
    if (refersTo(member, keys, name)) return true;
  }
  return false;
}

bool isRelated(const Question& question, const std::set<std::string>& keys, const std::string& name) {
  for (const auto& [key, pod] : question.store.all("pods")) {
    if (!question.ownPod(pod) || isMirrorPod(*pod)) continue;
    if (textAt(*pod, "metadata.namespace") == question.path.name_space &&
        refersTo(pod->at("spec"), keys, name))
      return true;
  }
  return false;
}

using Refusal = std::optional<std::string>;  // nullopt: allowed; "" or a reason: not

Refusal configRule(const Question& question, const std::set<std::string>& keys) {
  if (!question.reads()) return "can only read resources of this type";
  if (question.path.name_space.empty()) return "can only read namespaced object of this type";
  const auto name = question.path.name.empty() ? question.selected("metadata.name") : question.path.name;
  if (name.empty()) return "No Object name found";
  if (isRelated(question, keys, name)) return std::nullopt;
  return "no relationship found between node '" + question.node + "' and this object";
}

Refusal podRule(const Question& question) {
  if (question.is({"list", "watch"})) {
    if (question.selected("spec.nodeName") == question.node) return std::nullopt;
    return "can only list/watch pods with spec.nodeName field selector";
  }
  if (question.verb == "get") {
    const auto pod = question.pod(question.path.name);
    if (!pod || question.ownPod(pod)) return std::nullopt;
    return "no relationship found between node '" + question.node + "' and this object";
  }
  return question.is({"create", "delete"}) ? std::nullopt : Refusal("");
}

Refusal nodeRule(const Question& question, bool proxier) {
  if (question.is({"create", "update", "patch"})) return std::nullopt;
  if (!question.reads()) return "";
  if (proxier) return std::nullopt;
  const auto name = question.path.name.empty() ? question.selected("metadata.name") : question.path.name;
  if (name == question.node) return std::nullopt;
  if (name.empty()) return "node '" + question.node + "' cannot read all nodes, only its own Node object";
  return "node '" + question.node + "' cannot read '" + name + "', only its own Node object";
}

Refusal leaseRule(const Question& question) {
  if (!question.is({"get", "create", "update", "patch", "delete"}))
    return "can only get, create, update, patch, or delete a node lease";
  if (question.path.name_space != "kube-node-lease")
    return "can only access leases in the \"kube-node-lease\" system namespace";
  if (question.verb != "create" && question.path.name != question.node)
    return "can only access node lease with the same name as the requesting node";
  return std::nullopt;
}

Refusal accountRule(const Question& question) {
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

Refusal authorize(const Question& question, bool proxier) {
  const auto& resource = question.resource;
  if (resource == "pods") return podRule(question);
  if (resource == "pods/status") return question.is({"update", "patch"}) ? std::nullopt : Refusal("");
  if (resource == "pods/eviction") return question.verb == "create" ? std::nullopt : Refusal("");
  if (resource == "nodes") return nodeRule(question, proxier);
  if (resource == "nodes/status") return question.is({"update", "patch"}) ? std::nullopt : Refusal("");
  if (resource == "configmaps") return configRule(question, {"configMap", "configMapRef", "configMapKeyRef"});
  if (resource == "secrets") return configRule(question, {"secret", "secretRef", "secretKeyRef"});
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

std::string quotedNode(const Question& question) { return "node \"" + question.node + "\""; }

Refusal admitMirrorPod(const Question& question) {
  const auto& pod = question.call.body.as_object();
  const auto node = quotedNode(question);
  if (!isMirrorPod(pod))
    return "pod does not have \"kubernetes.io/config.mirror\" annotation, " + node +
           " can only create mirror pods";
  if (textAt(pod, "spec.nodeName") != question.node)
    return node + " can only create pods with spec.nodeName set to itself";
  const auto* owners = find(pod, "metadata.ownerReferences");
  if (owners == nullptr || !owners->is_array() || owners->get_array().size() != 1)
    return node + " can only create pods with an owner reference set to itself";
  const auto& owner = owners->get_array()[0].as_object();
  if (textAt(owner, "apiVersion") != "v1" || textAt(owner, "kind") != "Node" ||
      textAt(owner, "name") != question.node)
    return node + " can only create pods with an owner reference set to itself";
  if (!flagAt(owner, "controller"))
    return node + " can only create pods with a controller owner reference set to itself";
  if (flagAt(owner, "blockOwnerDeletion"))
    return node + " must not set blockOwnerDeletion on an owner reference";
  const auto self = question.store.get("nodes", question.node);
  if (!self || textAt(*self, "metadata.uid") != textAt(owner, "uid"))
    return fmt::format("node {} UID mismatch: expected {} got {}", question.node, textAt(owner, "uid"),
                       self ? textAt(*self, "metadata.uid") : "");
  if (!textAt(pod, "spec.serviceAccountName").empty())
    return node + " can not create pods that reference serviceaccounts";
  return std::nullopt;
}

// Labels of kubernetes.io that a node may not give itself.
bool isForbiddenLabel(const std::string& label) {
  static const std::set<std::string> kOwn = {"kubernetes.io/hostname",
                                             "kubernetes.io/os",
                                             "kubernetes.io/arch",
                                             "beta.kubernetes.io/os",
                                             "beta.kubernetes.io/arch",
                                             "beta.kubernetes.io/instance-type",
                                             "node.kubernetes.io/instance-type",
                                             "topology.kubernetes.io/region",
                                             "topology.kubernetes.io/zone",
                                             "failure-domain.beta.kubernetes.io/region",
                                             "failure-domain.beta.kubernetes.io/zone"};
  const auto slash = label.find('/');
  if (slash == label.npos || kOwn.count(label)) return false;
  const auto space = "." + label.substr(0, slash);
  if (space.ends_with(".kubelet.kubernetes.io") || space.ends_with(".node.kubernetes.io")) return false;
  return space.ends_with(".kubernetes.io") || space.ends_with(".k8s.io");
}

Refusal admitNode(const Question& question) {
  const auto* body = question.call.body.if_object();
  if (body == nullptr) return std::nullopt;
  const auto name = question.path.name.empty() ? textAt(*body, "metadata.name") : question.path.name;
  const auto node = quotedNode(question);
  if (name != question.node) return node + " is not allowed to modify node \"" + name + "\"";
  const auto was = question.store.get("nodes", name);
  if (const auto* labels = find(*body, "metadata.labels"); labels != nullptr && labels->is_object()) {
    for (const auto& [key, value] : labels->get_object()) {
      const std::string label(key);
      const auto* had = was && find(*was, "metadata.labels") != nullptr
                            ? find(*was, "metadata.labels")->as_object().if_contains(label)
                            : nullptr;
      if (isForbiddenLabel(label) && (had == nullptr || *had != value)) {
        return question.verb == "create" ? node + " is not allowed to set the following labels: " + label
                                         : "is not allowed to modify labels: " + label;
      }
    }
  }
  if (question.verb != "create" && question.path.subresource.empty()) {
    const auto *before = find(*was, "spec.taints"), *after = find(*body, "spec.taints");
    const json::value none = json::array();
    const bool named = after != nullptr || question.verb == "update";
    if (was && named && (before ? *before : none) != (after && !after->is_null() ? *after : none))
      return node + " is not allowed to modify taints";
  }
  return std::nullopt;
}

Refusal admitToken(const Question& question) {
  const auto* body = question.call.body.if_object();
  const auto* bound = body == nullptr ? nullptr : find(*body, "spec.boundObjectRef");
  if (bound == nullptr || !bound->is_object() || textAt(bound->get_object(), "kind") != "Pod")
    return "node requested token not bound to a pod";
  if (textAt(bound->get_object(), "uid").empty())
    return "node requested token with a pod binding without a uid";
  const auto pod = question.pod(textAt(bound->get_object(), "name"));
  if (pod && !question.ownPod(pod))
    return "node requested token bound to a pod scheduled on a different node";
  return std::nullopt;
}

Refusal admit(const Question& question) {
  const auto& resource = question.resource;
  const bool body = question.call.body.is_object();
  if (resource == "pods" && question.verb == "create" && body) return admitMirrorPod(question);
  if (resource == "pods" && question.verb == "delete") {
    const auto pod = question.pod(question.path.name);
    if (pod && !question.ownPod(pod))
      return quotedNode(question) + " can only delete pods with spec.nodeName set to itself";
  }
  if (resource == "pods/status") {
    const auto pod = question.pod(question.path.name);
    if (pod && !question.ownPod(pod))
      return quotedNode(question) + " can only update pod status for pods with spec.nodeName set to itself";
    const auto* labels = body ? find(question.call.body.get_object(), "metadata.labels") : nullptr;
    const auto* had = pod ? find(*pod, "metadata.labels") : nullptr;
    if (pod && labels != nullptr && (had == nullptr || *labels != *had))
      return quotedNode(question) + " cannot update labels through pod status";
  }
  if (resource == "nodes" || resource == "nodes/status")
    return question.reads() ? std::nullopt : admitNode(question);
  if (resource == "serviceaccounts/token") return admitToken(question);
  return std::nullopt;
}

Answer refusal(const Question& question, const std::string& reason) {
  const auto& name = question.path.type->name;
  auto why = fmt::format("User \"{}\" cannot {} resource \"{}\" in API group \"{}\"", question.call.user.name,
                         question.verb, question.resource, name.group);
  why += question.path.name_space.empty() ? " at the cluster scope"
                                          : " in the namespace \"" + question.path.name_space + "\"";
  if (!reason.empty()) why += ": " + reason;
  return forbidden(name, question.path.name, why);
}

}  // namespace

std::optional<Answer> nodeRefusal(const ObjectStore& store, const ServerCall& call, const ResourcePath& path,
                                  bool proxier) {
  Question question{store, call, path, verbOf(call, path), path.type->name.plural, ""};
  if (!path.subresource.empty()) question.resource += "/" + path.subresource;
  if (inGroup(call.user, "system:bootstrappers")) {
    if (question.resource == "certificatesigningrequests" && (question.verb == "create" || question.reads()))
      return std::nullopt;
    if (path.type->review && question.resource != "bindings") return std::nullopt;
    return refusal(question, "");
  }
  if (!inGroup(call.user, "system:nodes") || !call.user.name.starts_with(kNodePrefix)) return std::nullopt;
  question.node = call.user.name.substr(kNodePrefix.size());
  if (const auto reason = authorize(question, proxier)) return refusal(question, *reason);
  if (const auto reason = admit(question)) return forbidden(path.type->name, path.name, *reason);
  return std::nullopt;
}

}  // namespace keelson::fakes
