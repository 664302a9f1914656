// Which addresses of this machine are the node's.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ip.h"
#include "base/result.h"

namespace keelson::kubelet::node {

// An address of one of this machine's links.
struct LocalAddress {
  IpAddress address;
  bool default_route = false;  // of the link that the default route of its family leaves by
};

// Names to addresses; an error is "none known".
using Lookup = std::function<Result<std::vector<IpAddress>>(const std::string& name)>;

// The InternalIPs of the node, most important first. `node_ips` is --node-ip: one address, or one of each
// family in the order wanted; 0.0.0.0 or :: alone only says which family to prefer. Without one: `host_name`
// if it is an address, what `lookup` says of it as far as it is local, the address of the default route's
// link. kInvalidArgument names an address that cannot be used; kNotFound if there is none.
Result<std::vector<IpAddress>> chooseNodeAddresses(const std::vector<IpAddress>& node_ips,
                                                   const std::string& host_name,
                                                   const std::vector<LocalAddress>& local,
                                                   const Lookup& lookup);

// What this machine has now. Asks the kernel; blocks shortly.
Result<std::vector<LocalAddress>> readLocalAddresses();
// getaddrinfo(3): blocks as long as the resolver does, so not on the loop.
Result<std::vector<IpAddress>> lookUpHost(const std::string& name);
// As lookUpHost, at most this long: kDeadlineExceeded then.
Result<std::vector<IpAddress>> lookUpHostWithin(const std::string& name, Duration timeout);

}  // namespace keelson::kubelet::node
