#include "proxy/doors.h"

#include <netinet/in.h>

#include <algorithm>
#include <set>
#include <tuple>

namespace keelson::proxy {
namespace {

constexpr char kProxyNameLabel[] = "service.kubernetes.io/service-proxy-name";
constexpr char kHeadlessLabel[] = "service.kubernetes.io/headless";
constexpr int32_t kDefaultAffinitySeconds = 10800;

std::optional<uint8_t> protocolOf(const std::string& name) {
  if (name.empty() || name == "TCP") return uint8_t{IPPROTO_TCP};
  if (name == "UDP") return uint8_t{IPPROTO_UDP};
  if (name == "SCTP") return uint8_t{IPPROTO_SCTP};
  return std::nullopt;
}

// One endpoint of one port, as slices tell it.
struct Candidate {
  Backend backend;
  bool ready = true, serving = true, terminating = false;
  std::vector<std::string> zones, nodes;  // hints
};

bool usableNow(const Candidate& candidate) { return candidate.ready; }
bool usableLast(const Candidate& candidate) { return candidate.serving && candidate.terminating; }

std::vector<Backend> backendsOf(const std::vector<const Candidate*>& candidates) {
  std::vector<Backend> backends;
  for (const auto* candidate : candidates) backends.push_back(candidate->backend);
  std::sort(backends.begin(), backends.end());
  backends.erase(std::unique(backends.begin(), backends.end()), backends.end());
  return backends;
}

template <class Wanted>
std::vector<const Candidate*> select(const std::vector<Candidate>& from, Wanted wanted) {
  std::vector<const Candidate*> found;
  for (const auto& candidate : from)
    if (wanted(candidate)) found.push_back(&candidate);
  return found;
}

// The ready ones; when there are none, those that end but still serve (KEP-1669).
template <class Wanted>
std::vector<const Candidate*> selectUsable(const std::vector<Candidate>& from, Wanted wanted) {
  auto found = select(from, [&](const Candidate& c) { return usableNow(c) && wanted(c); });
  if (found.empty()) found = select(from, [&](const Candidate& c) { return usableLast(c) && wanted(c); });
  return found;
}

bool contains(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

// Hints count only if all endpoints have them and one is meant for us; else all of them serve.
std::vector<const Candidate*> nearest(const std::vector<const Candidate*>& all, const NodeFacts& node) {
  const auto meant = [&](auto hints, const std::string& here) {
    std::vector<const Candidate*> found;
    for (const auto* candidate : all) {
      if (((*candidate).*hints).empty()) return std::vector<const Candidate*>{};
      if (contains((*candidate).*hints, here)) found.push_back(candidate);
    }
    return found;
  };
  for (auto found :
       {meant(&Candidate::nodes, node.name),
        node.zone.empty() ? std::vector<const Candidate*>{} : meant(&Candidate::zones, node.zone)})
    if (!found.empty()) return found;
  return all;
}

// Who answers at a service's port, by the two policies.
struct Choice {
  std::vector<Backend> cluster, local;
  bool any = false;  // an endpoint is usable somewhere
};

Choice choose(const std::vector<Candidate>& candidates, const NodeFacts& node) {
  const auto all = selectUsable(candidates, [](const Candidate&) { return true; });
  Choice choice;
  choice.any = !all.empty();
  choice.cluster = backendsOf(nearest(all, node));
  choice.local = backendsOf(selectUsable(candidates, [](const Candidate& c) { return c.backend.local; }));
  return choice;
}

class Resolver {
 public:
  Resolver(const api::Service& service, const std::vector<SlicePtr>& slices, const NodeFacts& node)
      : service_(service),
        slices_(slices),
        node_(node),
        name_(service.metadata.namespace_ + "/" + service.metadata.name) {}

  ServiceDoors resolve() {
    const auto& spec = service_.spec;
    if (spec.type == "ExternalName" || service_.metadata.labels.count(kProxyNameLabel)) return {};
    if (spec.cluster_ips.empty() || spec.cluster_ips.front() == "None") return {};
    for (const auto& text : spec.cluster_ips) {
      const auto address = IpAddress::parse(text);
      if (!address) {
        problem("clusterIP " + text + " is no address");
        continue;
      }
      for (const auto& port : spec.ports) addPort(port, *address);
    }
    if (spec.health_check_node_port > 0 && spec.health_check_node_port <= 65535 &&
        spec.type == "LoadBalancer" && spec.external_traffic_policy == "Local")
      resolved_.health = HealthPort{static_cast<uint16_t>(spec.health_check_node_port), local_ready_.size()};
    return std::move(resolved_);
  }

 private:
  void problem(const std::string& what) { resolved_.problems.push_back("service " + name_ + ": " + what); }

  std::vector<Candidate> candidates(const api::ServicePort& port, IpFamily family) const {
    std::vector<Candidate> found;
    const std::string type = family == IpFamily::kV4 ? "IPv4" : "IPv6";
    for (const auto& slice : slices_) {
      if (slice->address_type != type) continue;
      for (const auto& target : slice->ports) {
        const bool meant = target.name.value_or("") == port.name &&
                           protocolOf(target.protocol.value_or("")) == protocolOf(port.protocol) &&
                           target.port;
        if (!meant || *target.port < 1 || *target.port > 65535) continue;
        for (const auto& endpoint : slice->endpoints)
          addCandidate(endpoint, static_cast<uint16_t>(*target.port), found);
      }
    }
    return found;
  }

  void addCandidate(const api::Endpoint& endpoint, uint16_t port, std::vector<Candidate>& found) const {
    if (endpoint.addresses.empty()) return;
    const auto address = IpAddress::parse(endpoint.addresses.front());
    if (!address) return;
    Candidate made;
    made.backend = {*address, port, endpoint.node_name == node_.name};
    made.ready = endpoint.conditions.ready.value_or(true);
    made.serving = endpoint.conditions.serving.value_or(made.ready);
    made.terminating = endpoint.conditions.terminating.value_or(false);
    if (endpoint.hints) {
      made.zones = endpoint.hints->for_zones;
      made.nodes = endpoint.hints->for_nodes;
    }
    // While slices are rewritten an endpoint may stand in two of them: the one that may be used counts.
    for (auto& known : found) {
      if (known.backend != made.backend) continue;
      if (!known.ready && made.ready) known = made;
      return;
    }
    found.push_back(std::move(made));
  }

  void addPort(const api::ServicePort& port, const IpAddress& cluster_ip) {
    const auto protocol = protocolOf(port.protocol);
    if (!protocol || port.port < 1 || port.port > 65535)
      return problem(fmt::format("port {} {}", port.port, port.protocol));
    const auto& spec = service_.spec;
    const auto found = candidates(port, cluster_ip.family);
    for (const auto& candidate : found)
      if (candidate.ready && candidate.backend.local) local_ready_.insert(candidate.backend.address);
    const Choice choice = choose(found, node_);
    Door door;
    door.service = name_ + ":" + port.name;
    if (spec.session_affinity == "ClientIP")
      door.affinity = std::chrono::seconds(spec.client_ip_timeout_seconds.value_or(kDefaultAffinitySeconds));

    Door inner = door;
    inner.cluster_ip = true;
    const bool internal_local = spec.internal_traffic_policy == "Local";
    inner.everyone_local = internal_local;
    inner.everyone = internal_local ? choice.local : choice.cluster;
    inner.everyone_withheld = internal_local && choice.local.empty() && choice.any;
    put({cluster_ip, cluster_ip.family, *protocol, static_cast<uint16_t>(port.port)}, inner);

    door.everyone = choice.cluster;
    door.local_only = spec.external_traffic_policy == "Local";
    if (door.local_only) {
      door.outside = choice.local;
      door.outside_withheld = choice.local.empty() && choice.any;
    }
    for (const auto& text : spec.external_ips)
      putAddress(text, door, cluster_ip.family, *protocol, port.port);
    if (spec.type == "LoadBalancer") {
      Door balanced = door;
      balanced.balancer = true;
      balanced.source_ranges = sourceRanges(spec, cluster_ip.family);
      for (const auto& ingress : service_.status.load_balancer_ingress)
        if (!ingress.ip.empty() && ingress.ip_mode != "Proxy")
          putAddress(ingress.ip, admitNode(balanced, ingress.ip), cluster_ip.family, *protocol, port.port);
    }
    const bool has_node_port = spec.type == "NodePort" || spec.type == "LoadBalancer";
    if (has_node_port && port.node_port > 0 && port.node_port <= 65535)
      put({std::nullopt, cluster_ip.family, *protocol, static_cast<uint16_t>(port.node_port)}, door);
  }

  std::vector<IpPrefix> sourceRanges(const api::ServiceSpec& spec, IpFamily family) {
    std::vector<IpPrefix> ranges;
    for (const auto& text : spec.load_balancer_source_ranges) {
      const auto range = IpPrefix::parse(text);
      if (!range) problem("loadBalancerSourceRanges: " + range.error().text);
      if (range && range->network.family == family) ranges.push_back(*range);
    }
    return ranges;
  }

  // Where the node itself may come from, what it sends with the balancer's address as source may come, too.
  Door admitNode(Door door, const std::string& address) const {
    const auto parsed = IpAddress::parse(address);
    const auto admits = [&](const IpPrefix& range) {
      return std::any_of(node_.addresses.begin(), node_.addresses.end(),
                         [&](const IpAddress& own) { return range.contains(own); });
    };
    if (parsed && std::any_of(door.source_ranges.begin(), door.source_ranges.end(), admits))
      door.source_ranges.push_back({*parsed, static_cast<uint8_t>(parsed->size() * 8)});
    return door;
  }

  void putAddress(const std::string& text, const Door& door, IpFamily family, uint8_t protocol,
                  int32_t port) {
    const auto address = IpAddress::parse(text);
    if (!address) return problem("address " + text + " is none");
    if (address->family == family) put({*address, family, protocol, static_cast<uint16_t>(port)}, door);
  }

  void put(const DoorKey& key, const Door& door) {
    const auto same = [&](const auto& known) { return known.first == key; };
    if (std::any_of(resolved_.doors.begin(), resolved_.doors.end(), same)) return;
    resolved_.doors.emplace_back(key, std::make_shared<const Door>(door));
  }

  const api::Service& service_;
  const std::vector<SlicePtr>& slices_;
  const NodeFacts& node_;
  const std::string name_;
  std::set<IpAddress> local_ready_;
  ServiceDoors resolved_;
};

}  // namespace

std::string DoorKey::str() const {
  const char* name = protocol == IPPROTO_UDP ? "UDP" : protocol == IPPROTO_SCTP ? "SCTP" : "TCP";
  if (!address) return fmt::format("*:{}/{}", port, name);
  if (family == IpFamily::kV6) return fmt::format("[{}]:{}/{}", address->str(), port, name);
  return fmt::format("{}:{}/{}", address->str(), port, name);
}

std::vector<DoorChange> changesBetween(const Doors& before, const Doors& now) {
  std::vector<DoorChange> changes;
  for (const auto& [key, door] : before)
    if (!now.count(key)) changes.push_back({key, door, nullptr});
  for (const auto& [key, door] : now) {
    const auto was = before.find(key);
    if (was == before.end())
      changes.push_back({key, nullptr, door});
    else if (was->second != door && *was->second != *door)
      changes.push_back({key, was->second, door});
  }
  return changes;
}

ServiceDoors resolveService(const api::Service& service, const std::vector<SlicePtr>& slices,
                            const NodeFacts& node) {
  return Resolver(service, slices, node).resolve();
}

std::string serviceOf(const api::EndpointSlice& slice) {
  const auto& labels = slice.metadata.labels;
  const auto service = labels.find(api::kServiceNameLabel);
  if (service == labels.end() || labels.count(kHeadlessLabel)) return "";
  return slice.metadata.namespace_ + "/" + service->second;
}

bool precedes(const api::Service& a, const api::Service& b) {
  const auto born_a = a.metadata.creation_timestamp.value_or(WallTime{});
  const auto born_b = b.metadata.creation_timestamp.value_or(WallTime{});
  return std::tie(born_a, a.metadata.namespace_, a.metadata.name) <
         std::tie(born_b, b.metadata.namespace_, b.metadata.name);
}

Resolved resolveDoors(const std::vector<ServicePtr>& services, const std::vector<SlicePtr>& slices,
                      const NodeFacts& node) {
  std::map<std::string, std::vector<SlicePtr>> by_service;
  for (const auto& slice : slices) by_service[serviceOf(*slice)].push_back(slice);
  std::vector<ServicePtr> ordered = services;
  std::sort(ordered.begin(), ordered.end(),
            [](const ServicePtr& a, const ServicePtr& b) { return precedes(*a, *b); });
  Resolved resolved;
  for (const auto& service : ordered) {
    const std::string name = service->metadata.namespace_ + "/" + service->metadata.name;
    auto one = resolveService(*service, by_service[name], node);
    for (auto& problem : one.problems) resolved.problems.push_back(std::move(problem));
    if (one.health) resolved.health[name] = *one.health;
    for (auto& [key, door] : one.doors) {
      const auto [place, fresh] = resolved.doors.emplace(key, door);
      if (!fresh)
        resolved.problems.push_back(
            fmt::format("service {}: {} is {}'s already", name, key.str(), place->second->service));
    }
  }
  return resolved;
}

}  // namespace keelson::proxy
