#include "tests/fakes/api_server/node_restriction.h"

#include <set>

#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/api_server/pod_rules.h"
#include "tests/fakes/api_server/references.h"
#include "tests/fakes/api_server/selectors.h"

namespace keelson::fakes {

std::string NodeQuestion::objectName() const {
  const auto* body = call.body.if_object();
  return path.name.empty() && body != nullptr ? textAt(*body, "metadata.name") : path.name;
}

std::string NodeQuestion::selected(const std::string& field) const {
  auto parsed = parseFieldSelector(call.param("fieldSelector"), path.type->name);
  if (!parsed) return "";
  for (const auto& requirement : parsed.value())
    if (requirement.field == field && requirement.equal) return requirement.value;
  return "";
}

bool NodeQuestion::ownPod(const Object& pod) const { return pod && textAt(*pod, "spec.nodeName") == node; }

namespace {

std::string quotedNode(const NodeQuestion& question) { return "node \"" + question.node + "\""; }

Refusal admitMirrorPod(const NodeQuestion& question) {
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
    return "a mirror pod may not reference service accounts";  // the ServiceAccount admission, asked first
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

Refusal admitNode(const NodeQuestion& question) {
  const auto* body = question.call.body.if_object();
  if (body == nullptr) return std::nullopt;
  const auto name = question.objectName();
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

Refusal admitToken(const NodeQuestion& question) {
  const auto* body = question.call.body.if_object();
  const auto* bound = body == nullptr ? nullptr : find(*body, "spec.boundObjectRef");
  if (bound == nullptr || !bound->is_object() || textAt(bound->get_object(), "kind") != "Pod")
    return "node requested token not bound to a pod";
  if (textAt(bound->get_object(), "uid").empty())
    return "node requested token with a pod binding without a uid";
  const auto pod = question.pod(textAt(bound->get_object(), "name"));
  if (!pod) return std::nullopt;  // the storage says that it is not there
  if (!question.ownPod(pod)) return "node requested token bound to a pod scheduled on a different node";
  const auto* audiences = find(*body, "spec.audiences");
  const bool named = audiences != nullptr && audiences->is_array() && !audiences->get_array().empty();
  if (named && audiences->get_array().size() > 1) return "node may only request 0 or 1 audiences";
  const auto wanted = named && audiences->get_array()[0].is_string()
                          ? std::string(audiences->get_array()[0].get_string())
                          : std::string();
  if (!projectsAudience(*pod, wanted)) {
    return fmt::format(
        "audience \"{}\" not found in pod spec volume, {} is not authorized to request tokens for this "
        "audience",
        wanted, question.call.user.name);
  }
  return std::nullopt;
}

}  // namespace

Refusal admitNodeRequest(const NodeQuestion& question) {
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
  if (resource == "leases" && question.objectName() != question.node)
    return "can only access node lease with the same name as the requesting node";
  if (resource == "serviceaccounts/token") return admitToken(question);
  return std::nullopt;
}

}  // namespace keelson::fakes
