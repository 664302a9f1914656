// What comes with a namespace, and what goes with it.
#include "tests/fakes/api_server/api_server.h"
#include "tests/fakes/api_server/fields.h"

namespace keelson::fakes {

// What the controller manager puts into each namespace.
void ApiServer::makeNamespace(const std::string& name) {
  if (!store_.get("namespaces", name)) {
    load({{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", name}}}});
    return;  // creating it comes back here
  }
  load({{"apiVersion", "v1"},
        {"kind", "ServiceAccount"},
        {"metadata", {{"name", "default"}, {"namespace", name}}}});
  load({{"apiVersion", "v1"},
        {"kind", "ConfigMap"},
        {"metadata", {{"name", "kube-root-ca.crt"}, {"namespace", name}}},
        {"data", {{"ca.crt", pki().caPem()}}}});
}

// A namespace that ends takes its content along, pods gracefully.
void ApiServer::finishNamespaces() {
  std::vector<std::string> ending;
  for (const auto& [name, object] : store_.all("namespaces")) {
    if (textAt(*object, "status.phase") == "Terminating") ending.push_back(name);
  }
  for (const auto& name : ending) {
    bool empty = true;
    for (const auto& type : resourceTypes()) {
      if (!type.namespaced || type.review || type.name.group == "events.k8s.io") continue;
      const Objects all = store_.all(type.collection());
      for (const auto& [key, object] : all) {
        if (textAt(*object, "metadata.namespace") != name) continue;
        if (find(*object, "metadata.deletionTimestamp") == nullptr)
          removeOf({}, {&type, name, textAt(*object, "metadata.name"), ""});
        empty &= store_.get(type.collection(), key) == nullptr;
      }
    }
    if (empty) store_.remove("namespaces", name);
  }
}

}  // namespace keelson::fakes
