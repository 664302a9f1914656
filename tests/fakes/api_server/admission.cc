// What happens to an object as it is created: the admission plugins, defaults, validation.
#include <algorithm>
#include <iterator>

#include "tests/fakes/api_server/api_server.h"
#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/api_server/kind_rules.h"
#include "tests/fakes/api_server/pod_rules.h"
#include "tests/fakes/api_server/references.h"

namespace keelson::fakes {
namespace {

constexpr char kNotReady[] = "node.kubernetes.io/not-ready";

bool isNotReadyTaint(const json::value& taint) {
  return taint.is_object() && textAt(taint.get_object(), "key") == kNotReady &&
         textAt(taint.get_object(), "effect") == "NoSchedule";
}

// The NodeTaints admission: a Node is born unschedulable. plugin/pkg/admission/nodetaint/admission.go
void addNotReadyTaint(json::object& node) {
  auto& taints = arrayAt(node, "spec.taints");
  if (std::none_of(taints.begin(), taints.end(), isNotReadyTaint))
    taints.push_back(json::object{{"key", kNotReady}, {"effect", "NoSchedule"}});
}

// The ServiceAccount admission of mirror pods: plugin/pkg/admission/serviceaccount/admission.go
Outcome<void> checkMirrorPod(const json::object& pod, const ResourceType& type) {
  const auto name = textAt(pod, "metadata.name");
  if (!textAt(pod, "spec.serviceAccountName").empty())
    return forbidden(type.name, name, "a mirror pod may not reference service accounts");
  if (const auto* spec = find(pod, "spec"); spec != nullptr && refersTo(*spec, secretKeys(), ""))
    return forbidden(type.name, name, "a mirror pod may not reference secrets");
  return {};
}

// The Priority admission, with the two classes that every cluster has.
Outcome<void> admitPriority(json::object& pod, const ResourceType& type) {
  const auto wanted = textAt(pod, "spec.priorityClassName");
  if (wanted.empty()) return {};
  for (const auto& [known, priority] :
       {std::pair{"system-node-critical", 2000001000}, {"system-cluster-critical", 2000000000}}) {
    if (wanted != known) continue;
    objectAt(pod, "spec")["priority"] = priority;
    return {};
  }
  return forbidden(type.name, textAt(pod, "metadata.name"),
                   fmt::format("no PriorityClass with name {} was found", wanted));
}

}  // namespace

std::string ApiServer::newUid() {
  const uint64_t high = (random_() & 0xffffffffffff0fffu) | 0x4000u;
  const uint64_t low = (random_() & 0x3fffffffffffffffu) | 0x8000000000000000u;
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xffff, high & 0xffff,
                     low >> 48, low & 0xffffffffffffu);
}

std::string ApiServer::suffix() {
  constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";  // k8s.io/apimachinery/pkg/util/rand
  std::string out;
  for (int i = 0; i < 5; ++i) out += kLetters[random_() % kLetters.size()];
  return out;
}

Outcome<json::object> ApiServer::admitted(json::object object, const ResourcePath& path, const User& user) {
  const auto& type = *path.type;
  const auto name = textAt(object, "metadata.name");
  fillDefaults(object, type);
  if (type.name.plural == "pods") {
    if (isMirrorPod(object)) TRY(checkMirrorPod(object, type));
    if (const auto runtime = textAt(object, "spec.runtimeClassName"); !runtime.empty()) {
      const auto found = store_.get("runtimeclasses.node.k8s.io", runtime);
      if (!found) {
        return forbidden(type.name, name,
                         fmt::format("pod rejected: RuntimeClass \"{}\" not found", runtime));
      }
      if (const auto* overhead = find(*found, "overhead.podFixed"))
        objectAt(object, "spec")["overhead"] = *overhead;
    }
    TRY(admitPriority(object, type));
    if (settings_.service_account_admission && !isMirrorPod(object)) {
      auto& spec = objectAt(object, "spec");
      if (textAt(spec, "serviceAccountName").empty()) {
        const auto old = textAt(spec, "serviceAccount");
        spec["serviceAccountName"] = old.empty() ? "default" : old;
      }
      spec["serviceAccount"] = textAt(spec, "serviceAccountName");
      const auto account =
          store_.get("serviceaccounts", path.name_space + "/" + textAt(spec, "serviceAccountName"));
      if (!account) {
        return forbidden(
            type.name, name,
            fmt::format("error looking up service account {}/{}: serviceaccount \"{}\" not found",
                        path.name_space, textAt(spec, "serviceAccountName"),
                        textAt(spec, "serviceAccountName")));
      }
      admitServiceAccount(object, *account, suffix());
    }
    auto pod = TRY(newPod(std::move(object), type, clock_.wall()));
    admitTolerations(pod);
    return pod;
  }
  if (type.name.plural == "namespaces") {
    objectAt(object, "metadata.labels")["kubernetes.io/metadata.name"] = name;
    object["spec"] = json::object{{"finalizers", json::array{"kubernetes"}}};
    object["status"] = json::object{{"phase", "Active"}};
  } else if (type.name.plural == "services") {
    auto& spec = objectAt(object, "spec");
    if (textAt(spec, "clusterIP").empty() && textAt(spec, "type") != "ExternalName") {
      const uint32_t next = next_cluster_ip_++;
      spec["clusterIP"] = fmt::format("10.96.{}.{}", (next >> 8) & 0xff, next & 0xff);
    }
    if (const auto ip = textAt(spec, "clusterIP"); !ip.empty()) {
      spec["clusterIPs"] = json::array{ip};
      setDefault(spec, "ipFamilies", json::array{"IPv4"});
      setDefault(spec, "ipFamilyPolicy", "SingleStack");
    }
    object["status"] = json::object{{"loadBalancer", json::object()}};
  } else if (type.name.plural == "endpointslices") {
    objectAt(object, "metadata")["generation"] = 1;
  } else if (type.name.plural == "certificatesigningrequests") {
    auto& spec = objectAt(object, "spec");
    spec["username"] = user.name;
    if (!user.uid.empty()) spec["uid"] = user.uid;
    spec["groups"] = json::value_from(user.groups);
    object["status"] = json::object();
  } else if (type.name.plural == "nodes") {
    addNotReadyTaint(object);
  }
  return object;
}

Outcome<void> ApiServer::afterCreate(const ResourceType& type, const std::string& key) {
  const auto& plural = type.name.plural;
  if (plural == "namespaces") makeNamespace(key);
  if (plural == "certificatesigningrequests") signRequest(key);
  if (plural == "nodes" && settings_.allocate_pod_cidrs) {
    json::object node = *store_.get("nodes", key);
    if (textAt(node, "spec.podCIDR").empty()) {
      const auto cidr = fmt::format("10.244.{}.0/24", next_pod_cidr_++ & 0xff);
      objectAt(node, "spec")["podCIDR"] = cidr;
      objectAt(node, "spec")["podCIDRs"] = json::array{cidr};
      store_.put("nodes", key, std::move(node));
    }
  }
  if (plural == "nodes") endNotReadyTaint(key);
  if (plural == "pods" && !settings_.bind_all_to.empty()) {
    const auto pod = store_.get("pods", key);
    if (textAt(*pod, "spec.nodeName").empty())
      store_.put("pods", key, TRY(boundPod(*pod, settings_.bind_all_to, clock_.wall(), type)));
  }
  return {};
}

// The node lifecycle controller's part: the taint ends when the node says that it is ready.
void ApiServer::endNotReadyTaint(const std::string& key) {
  const auto was = store_.get("nodes", key);
  if (!settings_.node_lifecycle || !was) return;
  const auto *conditions = find(*was, "status.conditions"), *taints = find(*was, "spec.taints");
  if (conditions == nullptr || !conditions->is_array() || taints == nullptr || !taints->is_array()) return;
  const auto& all = conditions->get_array();
  const bool ready = std::any_of(all.begin(), all.end(), [](const json::value& each) {
    return each.is_object() && textAt(each.get_object(), "type") == "Ready" &&
           textAt(each.get_object(), "status") == "True";
  });
  json::array kept;
  std::copy_if(taints->get_array().begin(), taints->get_array().end(), std::back_inserter(kept),
               [](const json::value& taint) { return !isNotReadyTaint(taint); });
  if (!ready || kept.size() == taints->get_array().size()) return;
  json::object now = *was;
  auto& spec = objectAt(now, "spec");
  spec.erase("taints");
  if (!kept.empty()) spec["taints"] = std::move(kept);
  store_.put("nodes", key, std::move(now));
}

}  // namespace keelson::fakes
