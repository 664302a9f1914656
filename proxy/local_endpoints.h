// What a control plane would add to a Service, made here for a node that runs alone. All pure.
#pragma once

#include <vector>

#include "api/pod.h"
#include "base/ip.h"
#include "proxy/doors.h"

namespace keelson::proxy {

// The services with an address each from `range`: those that ask for one keep it; the others get one by a
// hash of their name, so that it is the same at each start and on each edit of other services. ExternalName
// and headless services get none. A service that finds the range full, or asks for an address that another
// has, is left without and told in `problems`.
struct Addressed {
  std::vector<ServicePtr> services;
  std::vector<std::string> problems;
};
Addressed assignClusterIps(const std::vector<ServicePtr>& services, const IpPrefix& range);

// One slice a service, port and family, as the EndpointSlice controller would write them: pods that the
// selector means and that have an address, ready by their own condition (or by publishNotReadyAddresses),
// target ports resolved by number or by the pod's port names.
std::vector<SlicePtr> slicesOf(const std::vector<ServicePtr>& services, const std::vector<api::PodPtr>& pods,
                               const std::string& node_name);

}  // namespace keelson::proxy
