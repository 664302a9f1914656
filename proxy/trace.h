// What a packet to a service would meet, told for people. Pure.
#pragma once

#include <string>
#include <vector>

#include "proxy/doors.h"

namespace keelson::proxy {

struct TraceQuestion {
  IpAddress destination;
  uint16_t port = 0;
  uint8_t protocol = 6;                   // IPPROTO_TCP, ...
  std::optional<IpAddress> source;        // absent: told for both, inside and outside
  std::vector<IpPrefix> cluster_cidrs;    // what is inside
  std::vector<IpAddress> node_addresses;  // of this node: where node ports answer
};

// One sentence a line: which door, whose, the rule in the words of its policy, then its endpoints.
std::vector<std::string> traceService(const Doors& doors, const TraceQuestion& question);

}  // namespace keelson::proxy
