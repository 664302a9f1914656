#include "proxy/trace.h"

#include <algorithm>

namespace keelson::proxy {
namespace {

bool isInside(const TraceQuestion& question) {
  const auto& own = question.node_addresses;
  return std::find(own.begin(), own.end(), *question.source) != own.end() ||
         std::any_of(question.cluster_cidrs.begin(), question.cluster_cidrs.end(),
                     [&](const IpPrefix& cidr) { return cidr.contains(*question.source); });
}

std::string outcome(const std::vector<Backend>& endpoints, bool withheld, const std::string& how) {
  if (withheld) return "dropped: there are endpoints, but the policy Local leaves none on this node";
  if (endpoints.empty()) return "rejected: no endpoints";
  return fmt::format("one of {} endpoints{}", endpoints.size(), how);
}

void list(std::vector<std::string>& lines, const std::vector<Backend>& endpoints) {
  for (const auto& endpoint : endpoints)
    lines.push_back(fmt::format("  {} port {}{}", endpoint.address.str(), endpoint.port,
                                endpoint.local ? " (this node)" : ""));
}

void tell(std::vector<std::string>& lines, const DoorKey& key, const Door& door,
          const TraceQuestion& question, bool inside) {
  const std::string who = inside ? "from inside: " : "from outside: ";
  if (question.source && !door.source_ranges.empty() &&
      std::none_of(door.source_ranges.begin(), door.source_ranges.end(),
                   [&](const IpPrefix& range) { return range.contains(*question.source); })) {
    lines.push_back(who + "dropped: not in loadBalancerSourceRanges");
    return;
  }
  const bool kept = door.local_only && !inside;
  const bool masqueraded = !kept && (door.cluster_ip ? !inside : !door.local_only || !key.address);
  const std::string how = fmt::format("{}{}", door.affinity ? ", the one met before if it is there" : "",
                                      masqueraded ? ", masqueraded" : "");
  const auto& endpoints = kept ? door.outside : door.everyone;
  lines.push_back(who + outcome(endpoints, kept ? door.outside_withheld : door.everyone_withheld, how));
  list(lines, endpoints);
}

}  // namespace

std::vector<std::string> traceService(const Doors& doors, const TraceQuestion& question) {
  DoorKey key{question.destination, question.destination.family, question.protocol, question.port};
  auto found = doors.find(key);
  const auto& own = question.node_addresses;
  if (found == doors.end() && std::find(own.begin(), own.end(), question.destination) != own.end()) {
    key.address.reset();
    found = doors.find(key);
  }
  if (found == doors.end()) {
    const bool cluster_ip = std::any_of(doors.begin(), doors.end(), [&](const auto& one) {
      return one.first.address == question.destination && one.second->cluster_ip;
    });
    if (cluster_ip) return {"rejected: a cluster IP, but no service has this port"};
    return {"no service's: left to routes and other rules"};
  }
  const Door& door = *found->second;
  std::string name = door.service;
  if (name.ends_with(':')) name.pop_back();
  std::vector<std::string> lines{fmt::format("{} is service {}", key.str(), name)};
  if (!question.source || isInside(question)) tell(lines, key, door, question, true);
  if (!question.source || !isInside(question)) tell(lines, key, door, question, false);
  return lines;
}

}  // namespace keelson::proxy
