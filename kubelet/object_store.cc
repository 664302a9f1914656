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

}  // namespace

std::vector<std::string> missingReferences(const api::Pod& pod, const ObjectStore& store) {
  return References(pod, store).missing();
}

}  // namespace keelson::kubelet
