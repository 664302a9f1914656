#include "kernel/nft_table.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <cstring>

namespace keelson::kernel::nft {

Datatype datatype(const Selector& selector) {
  if (const auto* payload = std::get_if<Payload>(&selector)) {
    switch (*payload) {
      case Payload::kIpSaddr:
      case Payload::kIpDaddr:
        return Datatype::kIpv4Addr;
      case Payload::kIp6Saddr:
      case Payload::kIp6Daddr:
        return Datatype::kIpv6Addr;
      case Payload::kThSport:
      case Payload::kThDport:
        return Datatype::kInetService;
    }
  }
  if (const auto* meta = std::get_if<Meta>(&selector)) {
    switch (*meta) {
      case Meta::kL4proto:
        return Datatype::kInetProto;
      case Meta::kMark:
        return Datatype::kMark;
      case Meta::kIifname:
      case Meta::kOifname:
        return Datatype::kIfname;
    }
  }
  return Datatype::kInteger;
}

size_t width(Datatype type) {
  switch (type) {
    case Datatype::kIpv6Addr:
    case Datatype::kIfname:
      return 16;
    case Datatype::kInetProto:
      return 1;
    case Datatype::kInetService:
      return 2;
    case Datatype::kInteger:
    case Datatype::kIpv4Addr:
    case Datatype::kMark:
      return 4;
  }
  return 4;
}

Fields fields(std::vector<Datatype> types) { return {std::move(types), {}}; }

Fields fieldsOf(const Key& origin) {
  Fields shape;
  for (const auto& selector : origin) shape.types.push_back(datatype(selector));
  shape.origin = origin;
  return shape;
}

Packed& Packed::address(const IpAddress& address) {
  bytes_.append(reinterpret_cast<const char*>(address.bytes.data()), address.size());
  return *this;
}

Packed& Packed::protocol(uint8_t protocol) {
  bytes_.push_back(static_cast<char>(protocol));
  bytes_.append(3, '\0');
  return *this;
}

Packed& Packed::port(uint16_t port) {
  const uint16_t wire = htons(port);
  bytes_.append(reinterpret_cast<const char*>(&wire), sizeof wire);
  bytes_.append(2, '\0');
  return *this;
}

Packed& Packed::number(uint32_t number) {
  bytes_.append(reinterpret_cast<const char*>(&number), sizeof number);
  return *this;
}

Packed& Packed::interface(std::string_view name) {
  char padded[IFNAMSIZ] = {};
  std::memcpy(padded, name.data(), std::min(name.size(), sizeof padded - 1));
  bytes_.append(padded, sizeof padded);
  return *this;
}

}  // namespace keelson::kernel::nft
