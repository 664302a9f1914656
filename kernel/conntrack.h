// The kernel's connection tracking table.
#pragma once

#include <functional>
#include <optional>

#include "base/executor.h"
#include "base/ip.h"
#include "base/result.h"
#include "kernel/netlink.h"

namespace keelson::kernel {

// A UDP flow: where its first packet was sent to, and who answers (the same, unless it was translated).
struct UdpFlow {
  IpAddress destination;
  uint16_t port = 0;
  IpAddress answering;
  uint16_t answering_port = 0;
};

// Which flows to look at; absent: all of the family.
struct UdpFlowFilter {
  IpFamily family = IpFamily::kV4;
  std::optional<uint16_t> port;  // that the first packet was sent to
  std::optional<IpAddress> destination;
};

// Forgets the UDP flows that `stale` says, so that their next packet meets the address translation rules as
// they are now: for UDP a flow outlives the pod it was translated to as long as a client keeps sending.
// Returns how many. Any thread.
Result<size_t> forgetUdpFlows(const UdpFlowFilter& filter, const std::function<bool(const UdpFlow&)>& stale,
                              Stop& stop, int netns = kOwnNetns);
// All those to `port` (of `address`, if given).
Result<size_t> forgetUdpFlows(IpFamily family, uint16_t port, const std::optional<IpAddress>& address,
                              Stop& stop, int netns = kOwnNetns);

}  // namespace keelson::kernel
