// The kernel's connection tracking table.
#pragma once

#include <optional>

#include "base/executor.h"
#include "base/ip.h"
#include "base/result.h"
#include "kernel/netlink.h"

namespace keelson::kernel {

// Forgets the UDP flows whose first packet went to `port` (of `address`, if given), so that the next packet
// meets the address translation rules as they are now: for UDP a flow outlives the pod it was translated to
// as long as a client keeps sending. Returns how many. Any thread.
Result<size_t> forgetUdpFlows(IpFamily family, uint16_t port, const std::optional<IpAddress>& address,
                              Stop& stop, int netns = kOwnNetns);

}  // namespace keelson::kernel
