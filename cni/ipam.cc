#include "cni/ipam.h"

#include <algorithm>

namespace keelson::cni {
namespace {

constexpr unsigned kMaxHostBits = 32;  // more room than that is as good as endless

unsigned hostBits(const IpPrefix& prefix) {
  return static_cast<unsigned>(prefix.network.size() * 8) - prefix.length;
}

uint64_t addressCount(const IpPrefix& prefix) {
  return uint64_t{1} << std::min(hostBits(prefix), kMaxHostBits);
}

// How far `address` lies behind the network's own; only the last 64 bits count.
uint64_t offsetOf(const IpPrefix& prefix, const IpAddress& address) {
  uint64_t from = 0, to = 0;
  const size_t size = address.size();
  for (size_t i = size - std::min<size_t>(size, 8); i < size; ++i) {
    from = from << 8 | prefix.network.bytes[i];
    to = to << 8 | address.bytes[i];
  }
  return to - from;
}

}  // namespace

Result<AddressRange> makeRange(const IpPrefix& prefix) {
  if (hostBits(prefix) < 2)
    return makeError(Code::kInvalidArgument, "pod range {}: no room for pods; it needs two host bits",
                     prefix.str());
  return AddressRange{prefix, prefix.network.plus(1)};
}

bool isAssignable(const AddressRange& range, const IpAddress& address) {
  if (address.family != range.prefix.network.family || !range.prefix.contains(address)) return false;
  if (address == range.prefix.network || address == range.gateway) return false;
  const bool broadcast =
      address.family == IpFamily::kV4 && offsetOf(range.prefix, address) == addressCount(range.prefix) - 1;
  return !broadcast;
}

Result<IpAddress> planAddress(const AddressRange& range, const std::set<IpAddress>& used,
                              const std::optional<IpAddress>& last) {
  const uint64_t count = addressCount(range.prefix);
  const bool resume = last && last->family == range.prefix.network.family && range.prefix.contains(*last);
  const uint64_t start = resume ? offsetOf(range.prefix, *last) : 0;
  // Among used.size() + 4 neighbours (network, gateway, broadcast and one more) one is free, if any is.
  const uint64_t tries = std::min<uint64_t>(count, used.size() + 4);
  for (uint64_t i = 1; i <= tries; ++i) {
    const IpAddress candidate = range.prefix.network.plus((start + i) % count);
    if (isAssignable(range, candidate) && !used.contains(candidate)) return candidate;
  }
  return makeError(Code::kResourceExhausted, "pod range {}: no free address ({} in use)", range.prefix.str(),
                   used.size());
}

}  // namespace keelson::cni
