// The objects beside pods that the manifest folder holds.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/config_map.h"
#include "api/pod.h"
#include "api/runtime_class.h"
#include "api/secret.h"
#include "api/service.h"

namespace keelson::kubelet {

// Built anew from each look at the folder, then shared as const. Keys are "namespace/name". Any thread.
struct ObjectStore {
  std::map<std::string, std::shared_ptr<const api::ConfigMap>> config_maps;
  std::map<std::string, std::shared_ptr<const api::Secret>> secrets;
  std::map<std::string, std::shared_ptr<const api::Service>> services;
  std::map<std::string, std::shared_ptr<const api::RuntimeClass>> runtime_classes;  // by name alone
};

using ObjectStorePtr = std::shared_ptr<const ObjectStore>;

// The API objects a pod cannot do without and that are not in the store ("ConfigMap default/game"), in the
// order of the spec, each once. Optional references are not counted. Pure.
std::vector<std::string> missingReferences(const api::Pod& pod, const ObjectStore& store);

}  // namespace keelson::kubelet
