// What a packet must meet, told from the objects by the words of Kubernetes' documentation, one packet at a
// time: shares nothing with the code that it judges.
#pragma once

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "proxy/door_map.h"
#include "tests/unit/proxy/fake_table.h"
#include "tests/unit/proxy/world.h"

namespace keelson::proxy::test {

struct Objects {
  std::map<std::string, std::shared_ptr<api::Service>> services;      // by name, all of one age
  std::map<std::string, std::shared_ptr<api::EndpointSlice>> slices;  // by slice name
};

class Model {
 public:
  // Where two ways are right: iptables does as kube-proxy does. It masquerades the node's own connections to
  // a cluster IP, and not what pods send to a node port of policy Local; and a balancer's address without
  // endpoints rejects every source, also those that it would drop.
  enum class Ways { kNftables, kIptables };

  Model(const Objects& objects, std::vector<IpPrefix> cluster, Ways ways = Ways::kNftables)
      : objects_(objects), cluster_(std::move(cluster)), ways_(ways) {}

  // The outcomes in Tracer's words.
  std::set<std::string> meets(const Packet& packet) const {
    bool cluster_ip = false;
    for (const auto& [name, service] : objects_.services) {
      for (const auto& vip : service->spec.cluster_ips) {
        const auto address = IpAddress::parse(vip).value();
        if (address.family != packet.destination.family) continue;
        cluster_ip = cluster_ip || address == packet.destination;
        for (const auto& port : service->spec.ports)
          if (const auto met = at(*service, port, address, packet)) return *met;
      }
    }
    return {cluster_ip ? "reject" : "pass"};
  }

 private:
  struct Endpoint {
    IpAddress address;
    uint16_t port = 0;
    bool local = false, ready = false, ending = false;
  };

  std::optional<std::set<std::string>> at(const api::Service& service, const api::ServicePort& port,
                                          const IpAddress& vip, const Packet& packet) const {
    const uint8_t protocol = port.protocol == "UDP" ? nft::kUdp : nft::kTcp;
    if (protocol != packet.protocol) return {};
    const auto& spec = service.spec;
    const std::string to = packet.destination.str();
    if (packet.destination == vip && packet.port == port.port) return inside(service, port, packet);
    bool external =
        packet.port == port.port && std::count(spec.external_ips.begin(), spec.external_ips.end(), to) > 0;
    if (packet.port == port.port && spec.type == "LoadBalancer") {
      for (const auto& ingress : service.status.load_balancer_ingress) {
        if (ingress.ip != to || external) continue;
        external = true;
        const auto& ranges = spec.load_balancer_source_ranges;
        const bool allowed = std::any_of(ranges.begin(), ranges.end(), [&](const std::string& range) {
          return IpPrefix::parse(range).value().contains(packet.source);
        });
        if (ways_ == Ways::kIptables && usable(service, port, false, packet).empty()) continue;
        if (!ranges.empty() && !allowed) return std::set<std::string>{"drop"};
      }
    }
    const bool node_port = spec.type != "ClusterIP" && port.node_port != 0 && port.node_port == packet.port &&
                           packet.destination_local;
    if (!external && !node_port) return {};
    return outside(service, port, packet, node_port);
  }

  std::set<std::string> inside(const api::Service& service, const api::ServicePort& port,
                               const Packet& packet) const {
    const auto all = usable(service, port, false, packet);
    if (all.empty()) return {"reject"};
    if (service.spec.internal_traffic_policy != "Local") return answers(all, packet, toClusterIp(packet));
    const auto local = usable(service, port, true, packet);
    if (local.empty()) return {"drop"};
    return answers(local, packet, toClusterIp(packet));
  }

  std::set<std::string> outside(const api::Service& service, const api::ServicePort& port,
                                const Packet& packet, bool node_port) const {
    const auto all = usable(service, port, false, packet);
    if (all.empty()) return {"reject"};
    if (service.spec.external_traffic_policy != "Local") return answers(all, packet, true);
    if (fromCluster(packet))
      return answers(all, packet, ways_ == Ways::kNftables ? node_port : packet.source_local);
    const auto local = usable(service, port, true, packet);
    if (local.empty()) return {"drop"};
    return answers(local, packet, false);
  }

  bool toClusterIp(const Packet& packet) const {
    return !fromCluster(packet) || (ways_ == Ways::kIptables && packet.source_local);
  }

  bool fromCluster(const Packet& packet) const {
    return packet.source_local || std::any_of(cluster_.begin(), cluster_.end(), [&](const IpPrefix& prefix) {
             return prefix.contains(packet.source);
           });
  }

  static std::set<std::string> answers(const std::vector<Endpoint>& from, const Packet& packet,
                                       bool masquerade) {
    std::set<std::string> made;
    for (const auto& one : from)
      made.insert(fmt::format("{}{}:{}", masquerade || (one.local && one.address == packet.source) ? "~" : "",
                              one.address.str(), one.port));
    return made;
  }

  std::vector<Endpoint> usable(const api::Service& service, const api::ServicePort& port, bool only_local,
                               const Packet& packet) const {
    std::vector<Endpoint> ready, ending;
    const std::string type = packet.destination.family == IpFamily::kV4 ? "IPv4" : "IPv6";
    for (const auto& [name, slice] : objects_.slices) {
      if (slice->metadata.labels.at(api::kServiceNameLabel) != service.metadata.name) continue;
      if (slice->address_type != type) continue;
      for (const auto& target : slice->ports) {
        if (target.name.value_or("") != port.name || target.protocol.value_or("TCP") != port.protocol)
          continue;
        for (const auto& endpoint : slice->endpoints) {
          const Endpoint one{IpAddress::parse(endpoint.addresses[0]).value(),
                             static_cast<uint16_t>(*target.port), endpoint.node_name == "node1"};
          if (only_local && !one.local) continue;
          if (endpoint.conditions.ready.value_or(true)) ready.push_back(one);
          if (endpoint.conditions.serving.value_or(true) && endpoint.conditions.terminating.value_or(false))
            ending.push_back(one);
        }
      }
    }
    return ready.empty() ? ending : ready;
  }

  const Objects& objects_;
  const std::vector<IpPrefix> cluster_;
  const Ways ways_;
};

// A life of a few services, each step a small change. The same seed gives the same life.
class RandomLife {
 public:
  RandomLife(unsigned seed, bool v6) : random_(seed), v6_(v6) {}

  Objects objects;

  ObjectChanges step() {
    ObjectChanges changes;
    for (int i = 0; i <= pick(3); ++i) {
      const std::string name = "s" + std::to_string(pick(5));
      switch (pick(6)) {
        case 0:
          objects.services.erase(name);
          changes.services["default/" + name] = nullptr;
          break;
        case 1:
          objects.services[name] = makeService(name);
          changes.services["default/" + name] = objects.services[name];
          break;
        default:
          changeSlice(name, changes);
      }
    }
    return changes;
  }

  std::string address(const std::string& v4, const std::string& v6) const { return v6_ ? v6 : v4; }

  std::vector<Packet> packets() const {
    std::vector<Packet> made;
    const auto ip = [&](const std::string& v4, const std::string& v6) {
      return IpAddress::parse(address(v4, v6)).value();
    };
    const std::vector<std::pair<IpAddress, bool>> sources{{ip("10.244.0.2", "fd00::2"), false},
                                                          {ip("10.244.0.99", "fd00::99"), false},
                                                          {ip("192.168.77.2", "fd77::2"), false},
                                                          {ip("192.168.77.1", "fd77::1"), true}};
    for (const auto& [source, local] : sources)
      for (const uint8_t protocol : {nft::kTcp, nft::kUdp})
        for (int service = 0; service < 5; ++service) {
          const auto s = std::to_string(service);
          for (const uint16_t port : std::initializer_list<uint16_t>{80, 81, 90}) {
            made.push_back({source, ip("10.96.0." + s, "fd96::1" + s), protocol, port, local, false});
            made.push_back({source, ip("192.0.2." + s, "fd02::1" + s), protocol, port, local, false});
            made.push_back({source, ip("198.51.100." + s, "fd51::1" + s), protocol, port, local, false});
          }
          made.push_back({source, ip("192.168.77.1", "fd77::1"), protocol,
                          static_cast<uint16_t>(30000 + service * 10 + 1), local, true});
        }
    return made;
  }

 private:
  int pick(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
  bool chance(int of) { return pick(of) == 0; }

  std::shared_ptr<api::Service> makeService(const std::string& name) {
    const std::string number = name.substr(1);
    auto made = service(name, address("10.96.0." + number, "fd96::1" + number), {});
    const int first = 30000 + std::stoi(number) * 10;
    const bool exposed = chance(2);
    made->spec.type = !exposed ? "ClusterIP" : chance(2) ? "NodePort" : "LoadBalancer";
    const auto add = [&](int port, const char* port_name, const char* protocol, int node_port) {
      api::ServicePort spec;
      spec.name = port_name;
      spec.port = port;
      spec.protocol = protocol;
      spec.node_port = exposed ? node_port : 0;
      made->spec.ports.push_back(spec);
    };
    add(80, "web", "TCP", first + 1);
    if (chance(2)) add(80, "dns", "UDP", first + 1);
    if (chance(3)) add(81, "adm", "TCP", 0);
    if (chance(3)) made->spec.internal_traffic_policy = "Local";
    if (chance(2)) made->spec.external_traffic_policy = "Local";
    if (chance(3)) made->spec.session_affinity = "ClientIP";
    if (chance(3)) made->spec.client_ip_timeout_seconds = 100;
    if (chance(3)) made->spec.external_ips = {address("192.0.2." + number, "fd02::1" + number)};
    made->status.load_balancer_ingress = {{address("198.51.100." + number, "fd51::1" + number), "", ""}};
    if (chance(3)) made->spec.load_balancer_source_ranges = {address("192.168.77.0/31", "fd77::/127")};
    if (chance(4)) made->spec.load_balancer_source_ranges = {address("10.244.0.0/16", "fd00::/64")};
    return made;
  }

  void changeSlice(const std::string& name, ObjectChanges& changes) {
    const std::string slice_name = name + "-" + std::to_string(pick(2));
    if (chance(5)) {
      objects.slices.erase(slice_name);
      changes.slices["default/" + slice_name] = nullptr;
      return;
    }
    // The two slices of a service share no endpoint.
    const int half = slice_name.back() - '0';
    std::vector<std::string> endpoints;
    for (int i = 0; i < 4; ++i) {
      if (chance(2)) continue;
      const int number = 2 + half * 4 + i;
      const std::string text =
          address("10.244.0." + std::to_string(number), "fd00::" + std::to_string(number));
      endpoints.push_back((number % 3 == 2 ? "+" : "") + text + (chance(4) ? "!" : chance(4) ? "~" : ""));
    }
    auto made =
        slice(name, endpoints, {{8080, "web"}, {5353, "dns", "UDP"}, {9090, "adm"}}, v6_ ? "IPv6" : "IPv4");
    made->metadata.name = slice_name;
    objects.slices[slice_name] = made;
    changes.slices["default/" + slice_name] = made;
  }

  std::mt19937 random_;
  const bool v6_;
};

}  // namespace keelson::proxy::test
