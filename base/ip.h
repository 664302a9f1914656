// IP addresses and prefixes as values; the family is data, never an assumption.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace keelson {

enum class IpFamily : uint8_t { kV4 = 4, kV6 = 6 };

// One address; network byte order; v4 uses the first four bytes. Any thread.
struct IpAddress {
  IpFamily family = IpFamily::kV4;
  std::array<uint8_t, 16> bytes{};

  static Result<IpAddress> parse(std::string_view text);
  std::string str() const;  // canonical text (RFC 5952 for v6)
  size_t size() const { return family == IpFamily::kV4 ? 4 : 16; }
  bool isLoopback() const;
  // The address `offset` further on; overflow wraps inside the family's width.
  IpAddress plus(uint64_t offset) const;
  auto operator<=>(const IpAddress&) const = default;
};

// A prefix in CIDR notation; bits beyond `length` are zero in `network`.
struct IpPrefix {
  IpAddress network;
  uint8_t length = 0;

  // kInvalidArgument also when host bits are set ("10.244.0.7/24"), naming the network meant.
  static Result<IpPrefix> parse(std::string_view text);
  std::string str() const;
  bool contains(const IpAddress& address) const;
  auto operator<=>(const IpPrefix&) const = default;
};

}  // namespace keelson
