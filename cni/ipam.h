// Which address a pod gets: pure decisions over values.
#pragma once

#include <optional>
#include <set>
#include <vector>

#include "base/ip.h"
#include "base/result.h"

namespace keelson::cni {

// One of the node's ranges. The gateway is its first host address (.1), which the bridge has.
struct AddressRange {
  IpPrefix prefix;
  IpAddress gateway;
};

// kInvalidArgument for a prefix with no room for a pod beside network, gateway and broadcast
// (longer than /30, for IPv6 than /126).
Result<AddressRange> makeRange(const IpPrefix& prefix);

// True for an address that a pod may have: not the network's, the gateway's or the broadcast address
// (for IPv6 the first is the subnet-router anycast address of RFC 4291, and none is broadcast).
bool isAssignable(const AddressRange& range, const IpAddress& address);

// The next free address after `last`, going round, so that one just freed is not reused at once: peers may
// still have connections and neighbour entries for it. kResourceExhausted, naming the range.
Result<IpAddress> planAddress(const AddressRange& range, const std::set<IpAddress>& used,
                              const std::optional<IpAddress>& last);

}  // namespace keelson::cni
