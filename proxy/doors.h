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
  std::vector<Backend> everyone;  // sorted
  bool local_only = false;        // for outside clients
  std::vector<Backend> outside;   // sorted; unused unless local_only
  // There are endpoints, but the policy leaves none: packets are dropped, not rejected, so that clients try
  // elsewhere.
  bool everyone_withheld = false, outside_withheld = false;
  std::optional<Duration> affinity;     // sessionAffinity ClientIP
  std::vector<IpPrefix> source_ranges;  // of a load balancer's address; empty: everyone
  bool operator==(const Door&) const = default;
};
using Doors = std::map<DoorKey, Door>;

// What is wrong in the objects and was left out ("service default/a: clusterIP x: ..."), each once.
struct Resolved {
  Doors doors;
  std::vector<std::string> problems;
};

using ServicePtr = std::shared_ptr<const api::Service>;
using SlicePtr = std::shared_ptr<const api::EndpointSlice>;

// Headless services, ExternalName and those of another proxy (label service.kubernetes.io/service-proxy-name)
// have no doors. Of two services that claim one door the older (then the first by name) has it.
Resolved resolveDoors(const std::vector<ServicePtr>& services, const std::vector<SlicePtr>& slices,
                      const NodeFacts& node);

}  // namespace keelson::proxy
