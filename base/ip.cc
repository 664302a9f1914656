#include "base/ip.h"

#include <arpa/inet.h>

#include <algorithm>
#include <optional>

namespace keelson {
namespace {

constexpr size_t kLongestText = INET6_ADDRSTRLEN;
constexpr size_t kGroups = 8;
constexpr std::array<uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool isMapped(const IpAddress& address) {
  return address.family == IpFamily::kV6 &&
         std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address.bytes.begin());
}

std::string dotted(const uint8_t* bytes) {
  return fmt::format("{}.{}.{}.{}", bytes[0], bytes[1], bytes[2], bytes[3]);
}

// RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups (the first of equals)
// as "::". inet_ntop(3) differs: it writes ::1:2 as ::0.1.0.2.
std::string colons(const std::array<uint8_t, 16>& bytes) {
  std::array<unsigned, kGroups> groups{};
  for (size_t i = 0; i < kGroups; ++i) groups[i] = bytes[2 * i] * 256U + bytes[2 * i + 1];
  size_t best = kGroups;
  size_t best_length = 1;
  for (size_t i = 0; i < kGroups; ++i) {
    size_t end = i;
    while (end < kGroups && groups[end] == 0) ++end;
    if (end - i <= best_length) continue;
    best = i;
    best_length = end - i;
  }
  std::string text;
  for (size_t i = 0; i < kGroups;) {
    if (i == best) {
      text += "::";
      i += best_length;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    text += fmt::format("{:x}", groups[i]);
    ++i;
  }
  return text;
}

// The address with everything beyond `length` bits zero.
IpAddress masked(IpAddress address, size_t length) {
  for (size_t i = 0; i < address.size(); ++i) {
    const size_t kept = std::clamp<size_t>(length, i * 8, i * 8 + 8) - i * 8;
    address.bytes[i] = static_cast<uint8_t>(address.bytes[i] & (0xff00U >> kept));
  }
  return address;
}

// One to three digits without leading zeros.
std::optional<unsigned> parseLength(std::string_view text) {
  if (text.empty() || text.size() > 3 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  unsigned value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value;
}

}  // namespace

Result<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string copy(text.substr(0, kLongestText));
  const bool fits = text.size() < kLongestText && copy.find('\0') == std::string::npos;
  IpAddress address;
  if (fits && ::inet_pton(AF_INET, copy.c_str(), address.bytes.data()) == 1) return address;
  address.family = IpFamily::kV6;
  if (fits && ::inet_pton(AF_INET6, copy.c_str(), address.bytes.data()) == 1) return address;
  return makeError(Code::kInvalidArgument, "\"{}\" is not an IP address", copy);
}

std::string IpAddress::str() const {
  if (family == IpFamily::kV4) return dotted(bytes.data());
  if (isMapped(*this)) return "::ffff:" + dotted(bytes.data() + kMappedPrefix.size());
  return colons(bytes);
}

bool IpAddress::isLoopback() const {
  if (family == IpFamily::kV4) return bytes[0] == 127;
  if (isMapped(*this)) return bytes[kMappedPrefix.size()] == 127;
  std::array<uint8_t, 16> one{};
  one.back() = 1;
  return bytes == one;
}

IpAddress IpAddress::plus(uint64_t offset) const {
  IpAddress sum = *this;
  for (size_t i = size(); i-- > 0 && offset > 0;) {
    // `offset` carries what is not added yet; one byte at a time cannot overflow it but at the top.
    const uint64_t low = (offset & 0xff) + sum.bytes[i];
    sum.bytes[i] = static_cast<uint8_t>(low & 0xff);
    offset = (offset >> 8) + (low >> 8);
  }
  return sum;
}

Result<IpPrefix> IpPrefix::parse(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) {
    return makeError(Code::kInvalidArgument, "\"{}\" is not a prefix such as 10.244.0.0/24",
                     text.substr(0, kLongestText));
  }
  const IpAddress address = TRY(IpAddress::parse(text.substr(0, slash)));
  const auto length = parseLength(text.substr(slash + 1));
  if (!length || *length > address.size() * 8) {
    return makeError(Code::kInvalidArgument, "\"{}\" has no prefix length of 0 to {}",
                     text.substr(0, kLongestText + 4), address.size() * 8);
  }
  const IpPrefix prefix{masked(address, *length), static_cast<uint8_t>(*length)};
  if (prefix.network != address) {
    return makeError(Code::kInvalidArgument, "\"{}/{}\" has host bits set; the network is {}", address.str(),
                     *length, prefix.str());
  }
  return prefix;
}

std::string IpPrefix::str() const { return fmt::format("{}/{}", network.str(), length); }

bool IpPrefix::contains(const IpAddress& address) const {
  return address.family == network.family && masked(address, length) == network;
}

}  // namespace keelson
