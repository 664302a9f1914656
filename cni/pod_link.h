// A pod's eth0 and its other end on the bridge.
#pragma once

#include <string>
#include <vector>

#include "base/executor.h"
#include "cni/records.h"
#include "kernel/link.h"

namespace keelson::cni {

// Derived from the address, so that a peer's neighbour entry for a reused address stays right
// (0a:58 and the IPv4 address, the habit of CNI's bridge plugin; a hash for IPv6).
kernel::MacAddress macOf(const IpAddress& address);

// The addresses of eth0 in the pod's namespace; empty if there is no eth0.
Result<std::vector<IpAddress>> presentAddresses(kernel::LinkSocket& pod);

struct PodLinkRequest {
  PodRecord record;
  std::vector<AddressRange> ranges;
  int bridge = 0;  // index in the host's namespace
  std::string bridge_name;
  uint32_t mtu = 0;
  bool hairpin = true;
  int host_netns = -1;  // where the host end goes
};

// Makes eth0 what the record says: lo and eth0 up, addresses, default routes, host end a port of the
// bridge; frames pass when it returns. What is right stays; an eth0 that is half made or without its host end
// is made anew. An error may leave a half; removePodLink() or the next call clears it. kAlreadyExists:
// another link has the record's host name; try the next one.
Result<void> ensurePodLink(const PodLinkRequest& request, kernel::LinkSocket& pod, kernel::LinkSocket& host,
                           Stop& stop);

// Fine if absent. Waits some 16 ms: for failures only, not for the ordinary end of a pod.
Result<void> removePodLink(kernel::LinkSocket& pod, Stop& stop);

// Makes `link` a port of the bridge again, if it is not or is down.
Result<void> ensurePort(const kernel::Link& link, const PodRecord& record, int bridge, bool hairpin,
                        kernel::LinkSocket& host, Stop& stop);

}  // namespace keelson::cni
