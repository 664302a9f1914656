// Services and their endpoints, resolved to the doors that packets knock at. All pure.
// https://kubernetes.io/docs/reference/networking/virtual-ips/
#pragma once

#include <compare>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/endpoint_slice.h"
#include "api/service.h"
#include "base/clock.h"
#include "base/ip.h"

namespace keelson::proxy {

// What the rules must know of this node.
struct NodeFacts {
  std::string name;
  std::string zone;  // label topology.kubernetes.io/zone
  std::vector<IpAddress> addresses;
  bool operator==(const NodeFacts&) const = default;
};

struct Backend {
  IpAddress address;
  uint16_t port = 0;
  bool local = false;  // a pod of this node
  auto operator<=>(const Backend&) const = default;
};

// Where a packet knocks: an address, or any node port address of this node.
struct DoorKey {
  std::optional<IpAddress> address;  // absent: a node port
  IpFamily family = IpFamily::kV4;
  uint8_t protocol = 0;  // IPPROTO_TCP, _UDP, _SCTP
  uint16_t port = 0;
  auto operator<=>(const DoorKey&) const = default;
  std::string str() const;  // "10.96.0.10:53/UDP", "*:30080/TCP"
};

// One door of one port of a service. `everyone` is who answers pods and this node itself; with policy Local
// (external) outside clients get `outside` alone, under their own address.
struct Door {
  std::string service;  // "namespace/name:port"
  bool cluster_ip = false;
  bool balancer = false;          // an address of a load balancer
  std::vector<Backend> everyone;  // sorted, unless a back end arranged it
  bool local_only = false;        // for outside clients
  std::vector<Backend> outside;   // likewise; unused unless local_only
  bool everyone_local = false;    // `everyone` is of this node by policy Local (internal)
  // There are endpoints, but the policy leaves none: packets are dropped, not rejected, so that clients try
  // elsewhere.
  bool everyone_withheld = false, outside_withheld = false;
  std::optional<Duration> affinity;     // sessionAffinity ClientIP
  std::vector<IpPrefix> source_ranges;  // of a load balancer's address; empty: everyone
  bool operator==(const Door&) const = default;
};
using DoorPtr = std::shared_ptr<const Door>;
using Doors = std::map<DoorKey, DoorPtr>;

// A door made (`before` absent), taken away (`after` absent) or other than it was.
struct DoorChange {
  DoorKey key;
  DoorPtr before, after;
};
std::vector<DoorChange> changesBetween(const Doors& before, const Doors& now);

// What a service wants answered at its healthCheckNodePort.
struct HealthPort {
  uint16_t port = 0;
  size_t local_endpoints = 0;  // ready ones of this node
  bool operator==(const HealthPort&) const = default;
};
using HealthPorts = std::map<std::string, HealthPort>;  // by "namespace/name"

using ServicePtr = std::shared_ptr<const api::Service>;
using SlicePtr = std::shared_ptr<const api::EndpointSlice>;

// What one service asks for. `problems` is what is wrong in the objects and was left out.
struct ServiceDoors {
  std::vector<std::pair<DoorKey, DoorPtr>> doors;
  std::optional<HealthPort> health;
  std::vector<std::string> problems;
};

// `slices` are those of this service. Headless services, ExternalName and those of another proxy (label
// service.kubernetes.io/service-proxy-name) have no doors.
ServiceDoors resolveService(const api::Service& service, const std::vector<SlicePtr>& slices,
                            const NodeFacts& node);

// "namespace/name" of the service that a slice belongs to; "" for a slice without or of a headless service.
std::string serviceOf(const api::EndpointSlice& slice);

// Of two services that claim one door the older (then the first by name) has it.
bool precedes(const api::Service& a, const api::Service& b);

// All of it, from nothing.
struct Resolved {
  Doors doors;
  HealthPorts health;
  std::vector<std::string> problems;  // each once
};
Resolved resolveDoors(const std::vector<ServicePtr>& services, const std::vector<SlicePtr>& slices,
                      const NodeFacts& node);

}  // namespace keelson::proxy
