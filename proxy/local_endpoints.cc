#include "proxy/local_endpoints.h"

#include <algorithm>
#include <set>

#include "api/selector.h"

namespace keelson::proxy {
namespace {

std::string titleOf(const api::Service& service) {
  return service.metadata.namespace_ + "/" + service.metadata.name;
}

bool wantsAddress(const api::Service& service) {
  return service.spec.type != "ExternalName" &&
         (service.spec.cluster_ips.empty() || service.spec.cluster_ips.front().empty());
}

// FNV-1a: the same on every machine and in every release.
uint64_t hashOf(const std::string& text) {
  uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211ULL;
  return hash;
}

bool isReady(const api::Pod& pod) {
  return std::any_of(pod.status.conditions.begin(), pod.status.conditions.end(), [](const auto& condition) {
    return condition.type == "Ready" && condition.status == "True";
  });
}

bool isOver(const api::Pod& pod) { return pod.status.phase == "Succeeded" || pod.status.phase == "Failed"; }

// The number behind a targetPort in this pod; 0 if the pod has no port of that name.
int32_t targetPort(const api::ServicePort& port, const api::Pod& pod) {
  if (const auto* number = std::get_if<int32_t>(&port.target_port)) return *number != 0 ? *number : port.port;
  const std::string& name = std::get<std::string>(port.target_port);
  if (name.empty()) return port.port;
  for (const auto* list : {&pod.spec.containers, &pod.spec.init_containers})
    for (const auto& container : *list)
      for (const auto& known : container.ports)
        if (known.name == name && (known.protocol.empty() ? "TCP" : known.protocol) == port.protocol)
          return known.container_port;
  return 0;
}

api::Endpoint endpointOf(const api::Service& service, const api::Pod& pod, const std::string& address,
                         const std::string& node_name) {
  api::Endpoint endpoint;
  endpoint.addresses = {address};
  endpoint.node_name = node_name;
  const bool terminating = pod.metadata.deletion_timestamp.has_value();
  const bool serving = isReady(pod) || service.spec.publish_not_ready_addresses;
  endpoint.conditions = {serving && (!terminating || service.spec.publish_not_ready_addresses), serving,
                         terminating};
  return endpoint;
}

}  // namespace

Addressed assignClusterIps(const std::vector<ServicePtr>& services, const IpPrefix& range) {
  Addressed made;
  std::map<std::string, std::string> taken;  // address -> service
  for (const auto& service : services) {
    if (wantsAddress(*service)) continue;
    for (const auto& address : service->spec.cluster_ips) {
      if (address == "None" || address.empty()) continue;
      const auto [place, fresh] = taken.emplace(address, titleOf(*service));
      if (!fresh)
        made.problems.push_back("service " + titleOf(*service) + ": clusterIP " + address + " is " +
                                place->second + "'s already");
    }
  }
  const unsigned width = range.network.family == IpFamily::kV4 ? 32 : 128;
  const unsigned bits = std::min<unsigned>(width - range.length, 20);
  const uint64_t room = (uint64_t{1} << bits) - 2;  // without the first and the last address
  std::vector<ServicePtr> ordered = services;
  std::sort(ordered.begin(), ordered.end(),
            [](const ServicePtr& a, const ServicePtr& b) { return titleOf(*a) < titleOf(*b); });
  for (const auto& service : ordered) {
    if (!wantsAddress(*service)) {
      made.services.push_back(service);
      continue;
    }
    const uint64_t begin = hashOf(titleOf(*service)) % room;
    std::string address;
    for (uint64_t i = 0; i < room && i < taken.size() + 1; ++i) {
      const std::string candidate = range.network.plus(1 + (begin + i) % room).str();
      if (taken.emplace(candidate, titleOf(*service)).second) {
        address = candidate;
        break;
      }
    }
    if (address.empty()) {
      made.problems.push_back("service " + titleOf(*service) + ": no free address in " + range.str());
      continue;
    }
    auto with = std::make_shared<api::Service>(*service);
    with->spec.cluster_ips = {address};
    made.services.push_back(std::move(with));
  }
  return made;
}

std::vector<SlicePtr> slicesOf(const std::vector<ServicePtr>& services, const std::vector<api::PodPtr>& pods,
                               const std::string& node_name) {
  std::vector<SlicePtr> slices;
  for (const auto& service : services) {
    if (service->spec.selector.empty() || service->spec.type == "ExternalName") continue;
    for (const auto& port : service->spec.ports) {
      // By family and target: pods may give one name to different ports.
      std::map<std::pair<IpFamily, int32_t>, std::shared_ptr<api::EndpointSlice>> made;
      for (const auto& pod : pods) {
        if (pod->metadata.namespace_ != service->metadata.namespace_ || isOver(*pod)) continue;
        if (!api::matchesLabels(service->spec.selector, pod->metadata.labels)) continue;
        const int32_t target = targetPort(port, *pod);
        for (const auto& text : pod->status.pod_ips) {
          const auto address = IpAddress::parse(text);
          if (!address || target == 0) continue;
          auto& slice = made[{address->family, target}];
          if (!slice) {
            slice = std::make_shared<api::EndpointSlice>();
            slice->metadata.namespace_ = service->metadata.namespace_;
            slice->metadata.name = fmt::format("{}-{}-{}", service->metadata.name, port.port, target);
            slice->metadata.labels[api::kServiceNameLabel] = service->metadata.name;
            slice->address_type = address->family == IpFamily::kV4 ? "IPv4" : "IPv6";
            slice->ports.push_back({port.name, port.protocol, target, std::nullopt});
          }
          slice->endpoints.push_back(endpointOf(*service, *pod, text, node_name));
        }
      }
      for (auto& [key, slice] : made) slices.push_back(std::move(slice));
    }
  }
  return slices;
}

}  // namespace keelson::proxy
