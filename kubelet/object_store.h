// The objects beside pods: those of the manifest folder, and what is known of the API server's.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/config_map.h"
#include "api/pod.h"
#include "api/runtime_class.h"
#include "api/secret.h"
#include "api/service.h"

namespace keelson::kubelet {

template <class T>
using ObjectMap = std::map<std::string, std::shared_ptr<const T>>;

// What the node has learnt of the API server's objects; only those that its pods name. In config_maps and
// secrets a null pointer is an object that is confirmed to be absent, and a missing key one of which nothing
// is known yet. services and runtime_classes are null until they were listed once. Any thread.
struct ClusterObjects {
  ObjectMap<api::ConfigMap> config_maps;  // "namespace/name"
  ObjectMap<api::Secret> secrets;
  std::shared_ptr<const ObjectMap<api::Service>> services;
  std::shared_ptr<const ObjectMap<api::RuntimeClass>> runtime_classes;  // by name alone
};

// Built anew from each look at the folder, then shared as const. Keys are "namespace/name". Any thread.
struct ObjectStore {
  ObjectMap<api::ConfigMap> config_maps;
  ObjectMap<api::Secret> secrets;
  ObjectMap<api::Service> services;
  ObjectMap<api::RuntimeClass> runtime_classes;     // by name alone
  std::shared_ptr<const ClusterObjects> cluster{};  // null: this node has no API server
};

using ObjectStorePtr = std::shared_ptr<const ObjectStore>;

// The API objects a pod cannot do without and that are not in the store ("ConfigMap default/game"), in the
// order of the spec, each once. Optional references are not counted. Pure.
std::vector<std::string> missingReferences(const api::Pod& pod, const ObjectStore& store);

// Whether both hold the same objects of the manifest folder, by value. Pure.
bool sameFolderObjects(const ObjectStore& a, const ObjectStore& b);

// What a pod names, optional references included. Names are of its namespace. Pure.
struct ObjectReferences {
  std::set<std::string> config_maps;
  std::set<std::string> secrets;  // those of imagePullSecrets too
  std::string runtime_class;
  bool operator==(const ObjectReferences&) const = default;
};
ObjectReferences objectReferences(const api::Pod& pod);

enum class Knowledge { kUnknown, kAbsent, kPresent };

template <class T>
struct Known {
  Knowledge knowledge = Knowledge::kUnknown;
  std::shared_ptr<const T> object;  // kPresent
};

// A pod's view of a store. Pods of the API server see its objects and nothing else; pods of the manifest
// folder see the folder's, which are all there or absent, and the API server's services and runtime classes
// as far as they are known. A value; any thread.
class PodObjects {
 public:
  PodObjects(ObjectStorePtr store, std::string name_space, bool from_api)
      : store_(std::move(store)), namespace_(std::move(name_space)), from_api_(from_api) {}

  Known<api::ConfigMap> configMap(const std::string& name) const;
  Known<api::Secret> secret(const std::string& name) const;
  Known<api::RuntimeClass> runtimeClass(const std::string& name) const;
  bool servicesKnown() const;
  // The services of a namespace that are known, by name.
  std::vector<std::shared_ptr<const api::Service>> services(const std::string& of_namespace) const;

  bool fromApi() const { return from_api_; }
  bool hasApiServer() const { return store_->cluster != nullptr; }
  const std::string& nameSpace() const { return namespace_; }

 private:
  ObjectStorePtr store_;
  std::string namespace_;
  bool from_api_;
};

// What a pod sees of everything it names, kept to tell whether any of it changed. A value.
class ObjectsSeen {
 public:
  ObjectsSeen() = default;
  ObjectsSeen(const PodObjects& objects, const ObjectReferences& references);
  // By value, so that a manifest file that was read again is no change.
  bool operator==(const ObjectsSeen& other) const;

 private:
  std::vector<Known<api::ConfigMap>> config_maps_;
  std::vector<Known<api::Secret>> secrets_;
  Known<api::RuntimeClass> runtime_class_;
  bool services_known_ = false;
};

}  // namespace keelson::kubelet
