#include "kubelet/object_store.h"

#include <algorithm>

namespace keelson::kubelet {
namespace {

// Collects what a pod refers to.
class References {
 public:
  References(const api::Pod& pod, const ObjectStore& store) : pod_(pod), store_(store) {}

  std::vector<std::string> missing() {
    const api::PodSpec& spec = pod_.spec;
    if (!spec.service_account_name.empty()) add("ServiceAccount", spec.service_account_name);
    for (const auto& name : spec.image_pull_secrets) secret(name, false);
    if (!spec.runtime_class_name.empty() && !store_.runtime_classes.count(spec.runtime_class_name)) {
      note("RuntimeClass " + spec.runtime_class_name);
    }
    for (const auto* list : {&spec.init_containers, &spec.containers}) {
      for (const auto& one : *list) container(one);
    }
    for (const auto& one : spec.volumes) volume(one);
    return std::move(missing_);
  }

 private:
  std::string key(const std::string& name) const { return pod_.metadata.namespace_ + "/" + name; }
  void note(std::string what) {
    if (std::find(missing_.begin(), missing_.end(), what) == missing_.end())
      missing_.push_back(std::move(what));
  }
  void add(const char* kind, const std::string& name) { note(std::string(kind) + " " + key(name)); }
  void configMap(const std::string& name, bool optional) {
    if (!optional && !store_.config_maps.count(key(name))) add("ConfigMap", name);
  }
  void secret(const std::string& name, bool optional) {
    if (!optional && !store_.secrets.count(key(name))) add("Secret", name);
  }

  void container(const api::Container& one) {
    for (const auto& from : one.env_from) {
      if (from.config_map_ref)
        configMap(from.config_map_ref->name, from.config_map_ref->optional.value_or(false));
      if (from.secret_ref) secret(from.secret_ref->name, from.secret_ref->optional.value_or(false));
    }
    for (const auto& variable : one.env) {
      if (!variable.value_from) continue;
      if (const auto& ref = variable.value_from->config_map_key_ref)
        configMap(ref->name, ref->optional.value_or(false));
      if (const auto& ref = variable.value_from->secret_key_ref)
        secret(ref->name, ref->optional.value_or(false));
    }
    for (const auto& claim : one.resources.claims) add("ResourceClaim", claim.name);
  }

  void volume(const api::Volume& one) {
    if (one.config_map) configMap(one.config_map->name, one.config_map->optional.value_or(false));
    if (one.secret) secret(one.secret->secret_name, one.secret->optional.value_or(false));
    if (one.persistent_volume_claim) add("PersistentVolumeClaim", one.persistent_volume_claim->claim_name);
    if (one.csi && !one.csi->node_publish_secret.empty()) secret(one.csi->node_publish_secret, false);
    if (!one.projected) return;
    for (const auto& source : one.projected->sources) {
      if (source.config_map) configMap(source.config_map->name, source.config_map->optional.value_or(false));
      if (source.secret) secret(source.secret->name, source.secret->optional.value_or(false));
      if (source.service_account_token) note("a ServiceAccount token");
    }
  }

  const api::Pod& pod_;
  const ObjectStore& store_;
  std::vector<std::string> missing_;
};

// Calls `config_map`, `secret` with each name that the pod refers to by env, envFrom and volumes.
template <class ConfigMap, class Secret>
void eachReference(const api::PodSpec& spec, const ConfigMap& config_map, const Secret& secret) {
  const auto container = [&](const api::Container& one) {
    for (const auto& from : one.env_from) {
      if (from.config_map_ref) config_map(from.config_map_ref->name);
      if (from.secret_ref) secret(from.secret_ref->name);
    }
    for (const auto& variable : one.env) {
      if (!variable.value_from) continue;
      if (variable.value_from->config_map_key_ref) config_map(variable.value_from->config_map_key_ref->name);
      if (variable.value_from->secret_key_ref) secret(variable.value_from->secret_key_ref->name);
    }
  };
  for (const auto& one : spec.init_containers) container(one);
  for (const auto& one : spec.containers) container(one);
  for (const auto& one : spec.ephemeral_containers) container(one.common);
  for (const auto& volume : spec.volumes) {
    if (volume.config_map) config_map(volume.config_map->name);
    if (volume.secret) secret(volume.secret->secret_name);
    if (!volume.projected) continue;
    for (const auto& source : volume.projected->sources) {
      if (source.config_map) config_map(source.config_map->name);
      if (source.secret) secret(source.secret->name);
    }
  }
  for (const auto& name : spec.image_pull_secrets) secret(name);
}

template <class T>
bool sameObject(const std::shared_ptr<const T>& a, const std::shared_ptr<const T>& b) {
  return a == b || (a && b && *a == *b);
}

template <class T>
bool sameMap(const ObjectMap<T>& a, const ObjectMap<T>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& left, const auto& right) {
    return left.first == right.first && sameObject(left.second, right.second);
  });
}

template <class T>
bool sameKnown(const Known<T>& a, const Known<T>& b) {
  return a.knowledge == b.knowledge && sameObject(a.object, b.object);
}

template <class T>
bool sameKnown(const std::vector<Known<T>>& a, const std::vector<Known<T>>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& left, const auto& right) { return sameKnown(left, right); });
}

// Of the folder: there or absent.
template <class T>
Known<T> inFolder(const ObjectMap<T>& map, const std::string& key) {
  const auto found = map.find(key);
  if (found == map.end()) return {Knowledge::kAbsent, nullptr};
  return {Knowledge::kPresent, found->second};
}

template <class T>
Known<T> inCluster(const ObjectMap<T>& map, const std::string& key) {
  const auto found = map.find(key);
  if (found == map.end()) return {Knowledge::kUnknown, nullptr};
  return {found->second ? Knowledge::kPresent : Knowledge::kAbsent, found->second};
}

}  // namespace

ObjectReferences objectReferences(const api::Pod& pod) {
  ObjectReferences found;
  eachReference(
      pod.spec, [&](const std::string& name) { found.config_maps.insert(name); },
      [&](const std::string& name) { found.secrets.insert(name); });
  found.config_maps.erase("");
  found.secrets.erase("");
  found.runtime_class = pod.spec.runtime_class_name;
  return found;
}

bool sameFolderObjects(const ObjectStore& a, const ObjectStore& b) {
  return sameMap(a.config_maps, b.config_maps) && sameMap(a.secrets, b.secrets) &&
         sameMap(a.services, b.services) && sameMap(a.runtime_classes, b.runtime_classes);
}

Known<api::ConfigMap> PodObjects::configMap(const std::string& name) const {
  const std::string key = namespace_ + "/" + name;
  if (!from_api_) return inFolder(store_->config_maps, key);
  return store_->cluster ? inCluster(store_->cluster->config_maps, key) : Known<api::ConfigMap>{};
}

Known<api::Secret> PodObjects::secret(const std::string& name) const {
  const std::string key = namespace_ + "/" + name;
  if (!from_api_) return inFolder(store_->secrets, key);
  return store_->cluster ? inCluster(store_->cluster->secrets, key) : Known<api::Secret>{};
}

Known<api::RuntimeClass> PodObjects::runtimeClass(const std::string& name) const {
  if (!from_api_) {
    const auto found = inFolder(store_->runtime_classes, name);
    if (found.knowledge == Knowledge::kPresent || !store_->cluster) return found;
  }
  if (!store_->cluster || !store_->cluster->runtime_classes) return {};
  return inFolder(*store_->cluster->runtime_classes, name);
}

bool PodObjects::servicesKnown() const {
  return !from_api_ || (store_->cluster && store_->cluster->services);
}

std::vector<std::shared_ptr<const api::Service>> PodObjects::services(const std::string& of_namespace) const {
  std::map<std::string, std::shared_ptr<const api::Service>> found;
  const std::string prefix = of_namespace + "/";
  const auto collect = [&](const ObjectMap<api::Service>& map) {
    for (auto at = map.lower_bound(prefix); at != map.end() && at->first.starts_with(prefix); ++at) {
      found.emplace(at->first, at->second);
    }
  };
  if (!from_api_) collect(store_->services);
  if (store_->cluster && store_->cluster->services) collect(*store_->cluster->services);
  std::vector<std::shared_ptr<const api::Service>> services;
  services.reserve(found.size());
  for (auto& [key, service] : found) services.push_back(std::move(service));
  return services;
}

ObjectsSeen::ObjectsSeen(const PodObjects& objects, const ObjectReferences& references)
    : services_known_(objects.servicesKnown()) {
  for (const auto& name : references.config_maps) config_maps_.push_back(objects.configMap(name));
  for (const auto& name : references.secrets) secrets_.push_back(objects.secret(name));
  if (!references.runtime_class.empty()) runtime_class_ = objects.runtimeClass(references.runtime_class);
}

bool ObjectsSeen::operator==(const ObjectsSeen& other) const {
  return services_known_ == other.services_known_ && sameKnown(runtime_class_, other.runtime_class_) &&
         sameKnown(config_maps_, other.config_maps_) && sameKnown(secrets_, other.secrets_);
}

std::vector<std::string> missingReferences(const api::Pod& pod, const ObjectStore& store) {
  return References(pod, store).missing();
}

}  // namespace keelson::kubelet
