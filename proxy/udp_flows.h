// UDP flows that the connection tracking of the kernel would lead astray: a flow keeps its endpoint, or its
// lack of one, as long as its client sends.
#pragma once

#include <set>
#include <vector>

#include "base/executor.h"
#include "kernel/conntrack.h"
#include "proxy/doors.h"

namespace keelson::proxy {

// Through one of these doors (`wanted` gives the door as it is now, nullptr for one that is gone), but not to
// one of its endpoints. A flow through a node port that was never translated goes to a program of this node,
// or through it to elsewhere: it is left alone. Pure.
bool isStale(const kernel::UdpFlow& flow, const std::map<DoorKey, DoorPtr>& doors);

// The doors whose flows can have become stale by these changes: UDP, lost an endpoint or gained the first.
// Pure.
std::map<DoorKey, DoorPtr> doorsWithStaleFlows(const std::vector<DoorChange>& changes);

// Forgets the stale flows through `doors`; call it when the rules are in place, or they come back. Returns
// how many. Any thread.
Result<size_t> forgetStaleFlows(const std::map<DoorKey, DoorPtr>& doors, Stop& stop);

}  // namespace keelson::proxy
