#include "api/defaults.h"

#include <algorithm>

namespace keelson::api {
namespace {

constexpr int32_t kDefaultFileMode = 0644;
constexpr int64_t kDefaultGracePeriodSeconds = 30;
constexpr int64_t kDefaultTokenSeconds = 3600;
constexpr int32_t kDefaultAffinitySeconds = 10800;

void setIfEmpty(std::string& text, std::string_view value) {
  if (text.empty()) text = value;
}

template <class T>
void setIfAbsent(std::optional<T>& member, T value) {
  if (!member) member = std::move(value);
}

void defaultHttpGet(std::optional<HttpGetAction>& action) {
  if (!action) return;
  setIfEmpty(action->path, "/");
  setIfEmpty(action->scheme, "HTTP");
}

void defaultProbe(std::optional<Probe>& probe) {
  if (!probe) return;
  if (probe->timeout_seconds == 0) probe->timeout_seconds = 1;
  if (probe->period_seconds == 0) probe->period_seconds = 10;
  if (probe->success_threshold == 0) probe->success_threshold = 1;
  if (probe->failure_threshold == 0) probe->failure_threshold = 3;
  defaultHttpGet(probe->http_get);
  if (probe->grpc) setIfAbsent(probe->grpc->service, std::string());
}

void defaultFieldRef(std::optional<ObjectFieldSelector>& ref) {
  if (ref) setIfEmpty(ref->api_version, "v1");
}

void defaultResourceRef(std::optional<ResourceFieldSelector>& ref) {
  if (ref) setIfAbsent(ref->divisor, Quantity());
}

void defaultContainer(Container& container) {
  setIfEmpty(container.image_pull_policy, defaultPullPolicy(container.image));
  setIfEmpty(container.termination_message_path, "/dev/termination-log");
  setIfEmpty(container.termination_message_policy, "File");
  for (auto& port : container.ports) setIfEmpty(port.protocol, "TCP");
  for (auto& env : container.env) {
    if (!env.value_from) continue;
    defaultFieldRef(env.value_from->field_ref);
    defaultResourceRef(env.value_from->resource_field_ref);
    if (env.value_from->file_key_ref) setIfAbsent(env.value_from->file_key_ref->optional, false);
  }
  defaultProbe(container.liveness_probe);
  defaultProbe(container.readiness_probe);
  defaultProbe(container.startup_probe);
  if (!container.lifecycle) return;
  if (container.lifecycle->post_start) defaultHttpGet(container.lifecycle->post_start->http_get);
  if (container.lifecycle->pre_stop) defaultHttpGet(container.lifecycle->pre_stop->http_get);
}

void defaultRequests(std::vector<Container>& containers) {
  for (auto& container : containers) {
    container.resources.requests.insert(container.resources.limits.begin(), container.resources.limits.end());
  }
}

void defaultHostPorts(std::vector<Container>& containers) {
  for (auto& container : containers) {
    for (auto& port : container.ports) {
      if (port.host_port == 0) port.host_port = port.container_port;
    }
  }
}

void defaultDownwardFiles(std::vector<DownwardApiFile>& files) {
  for (auto& file : files) {
    defaultFieldRef(file.field_ref);
    defaultResourceRef(file.resource_field_ref);
  }
}

bool hasNoSource(const Volume& volume) {
  Volume bare;
  bare.name = volume.name;
  return volume == bare;
}

void defaultVolume(Volume& volume) {
  if (hasNoSource(volume)) volume.empty_dir.emplace();
  if (volume.config_map) setIfAbsent(volume.config_map->default_mode, kDefaultFileMode);
  if (volume.secret) setIfAbsent(volume.secret->default_mode, kDefaultFileMode);
  if (volume.downward_api) {
    setIfAbsent(volume.downward_api->default_mode, kDefaultFileMode);
    defaultDownwardFiles(volume.downward_api->items);
  }
  if (volume.projected) {
    setIfAbsent(volume.projected->default_mode, kDefaultFileMode);
    for (auto& source : volume.projected->sources) {
      if (source.downward_api) defaultDownwardFiles(source.downward_api->items);
      if (source.service_account_token) {
        setIfAbsent(source.service_account_token->expiration_seconds, kDefaultTokenSeconds);
      }
    }
  }
  if (volume.image) setIfEmpty(volume.image->pull_policy, defaultPullPolicy(volume.image->reference));
}

void addTo(ResourceList& sum, const ResourceList& more) {
  for (const auto& [name, amount] : more) sum[name] = sum[name] + amount;
}

void raiseTo(ResourceList& largest, const ResourceList& other) {
  for (const auto& [name, amount] : other) {
    auto& have = largest[name];
    if (have < amount) have = amount;
  }
}

// What all containers together need at once: sidecars run from their turn on beside everything later,
// other init containers run one by one.
// https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
ResourceList aggregate(const PodSpec& spec, ResourceList ResourceRequirements::*which) {
  ResourceList sidecars;
  ResourceList peak;
  for (const auto& container : spec.init_containers) {
    ResourceList step = sidecars;
    addTo(step, container.resources.*which);
    raiseTo(peak, step);
    if (container.restart_policy == "Always") sidecars = step;
  }
  ResourceList running = sidecars;
  for (const auto& container : spec.containers) addTo(running, container.resources.*which);
  raiseTo(peak, running);
  return peak;
}

bool isPodLevelResource(const std::string& name) { return name == "cpu" || name == "memory"; }

bool allContainersLimit(const PodSpec& spec, const std::string& name) {
  return std::all_of(spec.containers.begin(), spec.containers.end(),
                     [&](const Container& one) { return one.resources.limits.contains(name); });
}

// Pod-level resources, KEP-2837: what is half given is completed from the containers.
void defaultPodResources(PodSpec& spec) {
  if (!spec.resources) return;
  ResourceRequirements& pod = *spec.resources;
  if (pod.limits.empty() && !pod.requests.empty()) {
    for (const auto& [name, amount] : aggregate(spec, &ResourceRequirements::limits)) {
      if (isPodLevelResource(name) && allContainersLimit(spec, name)) pod.limits.emplace(name, amount);
    }
    return;
  }
  if (pod.limits.empty()) return;
  for (const auto& [name, amount] : aggregate(spec, &ResourceRequirements::requests)) {
    if (isPodLevelResource(name)) pod.requests.emplace(name, amount);
  }
  pod.requests.insert(pod.limits.begin(), pod.limits.end());
}

}  // namespace

std::string_view defaultPullPolicy(std::string_view image) {
  const size_t digest = image.find('@');
  const std::string_view name = image.substr(0, digest);
  const size_t slash = name.rfind('/');
  const size_t colon = name.rfind(':');
  const bool tagged = colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash);
  if (tagged) return name.substr(colon + 1) == "latest" ? "Always" : "IfNotPresent";
  return digest == std::string_view::npos ? "Always" : "IfNotPresent";
}

Pod defaultPod(Pod pod) {
  PodSpec& spec = pod.spec;
  setIfEmpty(pod.metadata.namespace_, "default");
  setIfEmpty(spec.restart_policy, "Always");
  setIfEmpty(spec.dns_policy, "ClusterFirst");
  setIfEmpty(spec.scheduler_name, "default-scheduler");
  setIfAbsent(spec.termination_grace_period_seconds, kDefaultGracePeriodSeconds);
  setIfAbsent(spec.enable_service_links, true);
  for (auto& volume : spec.volumes) defaultVolume(volume);
  for (auto& container : spec.containers) defaultContainer(container);
  for (auto& container : spec.init_containers) defaultContainer(container);
  for (auto& container : spec.ephemeral_containers) defaultContainer(container.common);
  defaultRequests(spec.containers);
  defaultRequests(spec.init_containers);
  defaultPodResources(spec);
  if (spec.host_network) {
    defaultHostPorts(spec.containers);
    defaultHostPorts(spec.init_containers);
  }
  return pod;
}

Service defaultService(Service service) {
  ServiceSpec& spec = service.spec;
  setIfEmpty(service.metadata.namespace_, "default");
  setIfEmpty(spec.type, "ClusterIP");
  setIfEmpty(spec.session_affinity, "None");
  if (spec.session_affinity == "None") spec.client_ip_timeout_seconds.reset();
  if (spec.session_affinity == "ClientIP")
    setIfAbsent(spec.client_ip_timeout_seconds, kDefaultAffinitySeconds);
  for (auto& port : spec.ports) {
    setIfEmpty(port.protocol, "TCP");
    if (port.target_port == IntOrString(0) || port.target_port == IntOrString(std::string())) {
      port.target_port = port.port;
    }
  }
  const bool balanced = spec.type == "LoadBalancer";
  const bool external =
      balanced || spec.type == "NodePort" || (spec.type == "ClusterIP" && !spec.external_ips.empty());
  if (external) setIfEmpty(spec.external_traffic_policy, "Cluster");
  if (spec.type != "ExternalName") setIfEmpty(spec.internal_traffic_policy, "Cluster");
  if (balanced) {
    setIfAbsent(spec.allocate_load_balancer_node_ports, true);
    for (auto& ingress : service.status.load_balancer_ingress) {
      if (!ingress.ip.empty()) setIfEmpty(ingress.ip_mode, "VIP");
    }
  }
  return service;
}

Object defaultObject(Object object) {
  if (auto* pod = std::get_if<Pod>(&object)) return defaultPod(std::move(*pod));
  if (auto* service = std::get_if<Service>(&object)) return defaultService(std::move(*service));
  if (auto* config_map = std::get_if<ConfigMap>(&object))
    setIfEmpty(config_map->metadata.namespace_, "default");
  if (auto* secret = std::get_if<Secret>(&object)) setIfEmpty(secret->metadata.namespace_, "default");
  return object;
}

}  // namespace keelson::api
