// The nftables table of the pod network, built from values.
#pragma once

#include <string>
#include <vector>

#include "cni/records.h"
#include "kernel/nft_table.h"

namespace keelson::cni {

// What holds for the whole node. Immutable; another one takes its place when the node gets its ranges.
struct NetworkPlan {
  std::string bridge;
  std::string table;
  std::vector<AddressRange> ranges;     // pods of this node
  std::vector<IpPrefix> cluster_cidrs;  // what pods reach under their own address
};

kernel::nft::Family nftFamily(IpFamily family);

// The whole table of one family: masquerade of what leaves the cluster, host ports, and the guard of
// loopback addresses. Nothing but elements differs between one set of pods and another.
//
// A packet to a host port:   prerouting|output: local destination? -> hostports: mark what comes from
//   a local pod or from loopback, then dnat by map      -> postrouting: masquerade what is marked
// The mark is bit 14, as in kube-proxy: "masquerade this". It is needed for a pod that talks to itself or to
// a neighbour on the same bridge through a host port (the answer would take the short way and not be
// translated back) and for 127.0.0.1, which no pod can answer.
kernel::nft::TableContent buildTable(const NetworkPlan& plan, IpFamily family, const Records& records);

// The host ports that the elements of such a table tell of, for a pod with these addresses.
std::vector<PortMapping> portsOf(const std::vector<kernel::nft::Element>& any_host,
                                 const std::vector<kernel::nft::Element>& one_host,
                                 const std::vector<IpAddress>& addresses);

inline constexpr const char* kAnyHostMap = "hostports";
inline constexpr const char* kOneHostMap = "hostports-ip";

}  // namespace keelson::cni
