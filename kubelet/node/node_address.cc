#include "kubelet/node/node_address.h"

#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <future>
#include <map>
#include <memory>
#include <thread>

#include "kernel/link.h"

namespace keelson::kubelet::node {
namespace {

bool isUnspecified(const IpAddress& address) {
  return std::all_of(address.bytes.begin(), address.bytes.begin() + static_cast<ptrdiff_t>(address.size()),
                     [](uint8_t byte) { return byte == 0; });
}

bool isMulticast(const IpAddress& address) {
  return address.family == IpFamily::kV4 ? (address.bytes[0] & 0xf0) == 0xe0 : address.bytes[0] == 0xff;
}

bool isLinkLocal(const IpAddress& address) {
  if (address.family == IpFamily::kV4) return address.bytes[0] == 169 && address.bytes[1] == 254;
  return address.bytes[0] == 0xfe && (address.bytes[1] & 0xc0) == 0x80;
}

bool isLocal(const IpAddress& address, const std::vector<LocalAddress>& local) {
  return std::any_of(local.begin(), local.end(), [&](const auto& entry) { return entry.address == address; });
}

// What is wrong with it as a node's address; "" if nothing.
std::string wrongAs(const IpAddress& address, const std::vector<LocalAddress>& local) {
  if (address.isLoopback()) return "nodeIP can't be loopback address";
  if (isMulticast(address)) return "nodeIP can't be a multicast address";
  if (isLinkLocal(address)) return "nodeIP can't be a link-local unicast address";
  if (isUnspecified(address)) return "nodeIP can't be an all zeros address";
  if (!isLocal(address, local))
    return fmt::format("node IP: \"{}\" not found in the host's network interfaces", address.str());
  return "";
}

// The first usable one of the family wanted, else the first usable one.
std::optional<IpAddress> preferred(const std::vector<IpAddress>& candidates, IpFamily family,
                                   const std::vector<LocalAddress>& local) {
  std::optional<IpAddress> other;
  for (const IpAddress& address : candidates) {
    if (!wrongAs(address, local).empty()) continue;
    if (address.family == family) return address;
    if (!other) other = address;
  }
  return other;
}

std::optional<IpAddress> fromSockaddr(const sockaddr& from) {
  IpAddress address;
  if (from.sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &from, sizeof v4);
    std::memcpy(address.bytes.data(), &v4.sin_addr, 4);
    return address;
  }
  if (from.sa_family != AF_INET6) return std::nullopt;
  sockaddr_in6 v6{};
  std::memcpy(&v6, &from, sizeof v6);
  address.family = IpFamily::kV6;
  std::memcpy(address.bytes.data(), &v6.sin6_addr, 16);
  return address;
}

}  // namespace

Result<std::vector<IpAddress>> chooseNodeAddresses(const std::vector<IpAddress>& node_ips,
                                                   const std::string& host_name,
                                                   const std::vector<LocalAddress>& local,
                                                   const Lookup& lookup) {
  if (node_ips.size() > 2 || (node_ips.size() == 2 && node_ips[0].family == node_ips[1].family)) {
    return makeError(Code::kInvalidArgument,
                     "--node-ip: expected one address, or one IPv4 and one IPv6 address");
  }
  IpFamily family = IpFamily::kV4;
  if (node_ips.size() == 1 && isUnspecified(node_ips[0])) {
    family = node_ips[0].family;
  } else if (!node_ips.empty()) {
    for (const IpAddress& address : node_ips)
      if (const std::string wrong = wrongAs(address, local); !wrong.empty())
        return makeError(Code::kInvalidArgument, "--node-ip {}: {}", address.str(), wrong);
    return node_ips;
  }
  if (const auto address = IpAddress::parse(host_name); address.ok()) {
    if (const std::string wrong = wrongAs(*address, local); !wrong.empty())
      return makeError(Code::kInvalidArgument, "node name {}: {}", host_name, wrong);
    return std::vector{*address};
  }
  if (const auto known = lookup(host_name); known.ok())
    if (const auto address = preferred(*known, family, local)) return std::vector{*address};
  std::vector<IpAddress> routed;
  for (const auto& entry : local)
    if (entry.default_route) routed.push_back(entry.address);
  if (const auto address = preferred(routed, family, local)) return std::vector{*address};
  return makeError(
      Code::kNotFound,
      "no address for node {}: --node-ip is not set, its name has no address of this machine, and no "
      "default route leads out",
      host_name);
}

Result<std::vector<LocalAddress>> readLocalAddresses() {
  auto socket = TRY(kernel::LinkSocket::open());
  std::map<IpFamily, int> routed;
  for (const IpFamily family : {IpFamily::kV4, IpFamily::kV6})
    if (const auto route = TRY(socket.defaultRoute(family))) routed[family] = route->link;
  std::vector<LocalAddress> out;
  for (const auto& entry : TRY(socket.addresses())) {
    const auto link = routed.find(entry.address.family);
    out.push_back({entry.address, link != routed.end() && link->second == entry.link});
  }
  return out;
}

Result<std::vector<IpAddress>> lookUpHost(const std::string& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;  // one answer an address
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(name.c_str(), nullptr, &hints, &found); error != 0)
    return makeError(Code::kUnavailable, "look up {}: {}", name, ::gai_strerror(error));
  std::vector<IpAddress> out;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next)
    if (const auto address = fromSockaddr(*at->ai_addr)) out.push_back(*address);
  ::freeaddrinfo(found);
  return out;
}

Result<std::vector<IpAddress>> lookUpHostWithin(const std::string& name, Duration timeout) {
  // getaddrinfo(3) cannot be cancelled, and a resolver whose servers do not answer takes ten seconds and
  // more: such a look-up is left to end by itself, and its answer to nobody.
  auto answer = std::make_shared<std::promise<Result<std::vector<IpAddress>>>>();
  auto future = answer->get_future();
  std::thread([answer, name] { answer->set_value(lookUpHost(name)); }).detach();
  if (future.wait_for(timeout) != std::future_status::ready)
    return makeError(Code::kDeadlineExceeded, "look up {}: no answer in {}", name, formatDuration(timeout));
  return future.get();
}

}  // namespace keelson::kubelet::node
