#include "proxy/udp_flows.h"

#include <netinet/in.h>

#include <algorithm>

namespace keelson::proxy {
namespace {

// The kernel walks its whole table for each question: from here on one question for all.
constexpr size_t kAskedOneByOne = 4;

bool lost(const std::vector<Backend>& before, const std::vector<Backend>& now) {
  return std::any_of(before.begin(), before.end(), [&](const Backend& backend) {
    return std::none_of(now.begin(), now.end(), [&](const Backend& left) {
      return left.address == backend.address && left.port == backend.port;
    });
  });
}

bool leadsTo(const Door& door, const kernel::UdpFlow& flow) {
  const auto answers = [&](const Backend& backend) {
    return backend.address == flow.answering && backend.port == flow.answering_port;
  };
  return std::any_of(door.everyone.begin(), door.everyone.end(), answers) ||
         std::any_of(door.outside.begin(), door.outside.end(), answers);
}

}  // namespace

bool isStale(const kernel::UdpFlow& flow, const std::map<DoorKey, DoorPtr>& doors) {
  const bool translated = flow.answering != flow.destination || flow.answering_port != flow.port;
  DoorKey key{flow.destination, flow.destination.family, IPPROTO_UDP, flow.port};
  auto found = doors.find(key);
  if (found == doors.end()) {
    key.address.reset();
    found = doors.find(key);
    if (found == doors.end() || !translated) return false;
  }
  return !found->second || !leadsTo(*found->second, flow);
}

std::map<DoorKey, DoorPtr> doorsWithStaleFlows(const std::vector<DoorChange>& changes) {
  std::map<DoorKey, DoorPtr> doors;
  static const Door kNone;
  for (const auto& change : changes) {
    if (change.key.protocol != IPPROTO_UDP) continue;
    const Door& before = change.before ? *change.before : kNone;
    const Door& now = change.after ? *change.after : kNone;
    const bool first = before.everyone.empty() && !now.everyone.empty();
    if (first || lost(before.everyone, now.everyone) || lost(before.outside, now.outside))
      doors[change.key] = change.after;
  }
  return doors;
}

Result<size_t> forgetStaleFlows(const std::map<DoorKey, DoorPtr>& doors, Stop& stop) {
  const auto stale = [&](const kernel::UdpFlow& flow) { return isStale(flow, doors); };
  std::set<IpFamily> families;
  size_t forgotten = 0;
  for (const auto& [key, door] : doors) families.insert(key.family);
  if (doors.size() > kAskedOneByOne) {
    for (const IpFamily family : families)
      forgotten += TRY(kernel::forgetUdpFlows({family, {}, {}}, stale, stop));
    return forgotten;
  }
  for (const auto& [key, door] : doors)
    forgotten +=
        TRY_CTX(kernel::forgetUdpFlows({key.family, key.port, key.address}, stale, stop), "{}", key.str());
  return forgotten;
}

}  // namespace keelson::proxy
