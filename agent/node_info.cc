#include "agent/node_info.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "base/unique_fd.h"

namespace keelson::agent {
namespace {

// The source address the kernel would choose towards `target`. Connecting a UDP socket only looks up
// the route; nothing is sent. The targets are documentation addresses (RFC 5737, RFC 3849).
std::optional<IpAddress> sourceTowards(int family, const char* target) {
  const UniqueFd socket(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return std::nullopt;
  sockaddr_storage address{};
  address.ss_family = static_cast<sa_family_t>(family);
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
  ::inet_pton(family, target, family == AF_INET ? static_cast<void*>(&v4->sin_addr) : &v6->sin6_addr);
  (family == AF_INET ? v4->sin_port : v6->sin6_port) = htons(9);
  const socklen_t length = family == AF_INET ? sizeof *v4 : sizeof *v6;
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) return std::nullopt;
  socklen_t got = sizeof address;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &got) != 0) return std::nullopt;
  IpAddress source;
  source.family = family == AF_INET ? IpFamily::kV4 : IpFamily::kV6;
  std::memcpy(source.bytes.data(), family == AF_INET ? static_cast<void*>(&v4->sin_addr) : &v6->sin6_addr,
              source.size());
  if (source.isLoopback()) return std::nullopt;
  return source;
}

}  // namespace

Result<NodeInfo> readNodeInfo() {
  NodeInfo info;
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return sysError("gethostname");
  info.host_name = name.data();
  std::transform(info.host_name.begin(), info.host_name.end(), info.host_name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  struct sysinfo system {};
  if (::sysinfo(&system) != 0) return sysError("sysinfo");
  info.memory = Bytes{static_cast<int64_t>(system.totalram) * system.mem_unit};
  info.cpu = Millicpu{::sysconf(_SC_NPROCESSORS_ONLN) * 1000};
  for (const auto& [family, target] : {std::pair{AF_INET, "192.0.2.1"}, {AF_INET6, "2001:db8::1"}}) {
    if (const auto address = sourceTowards(family, target)) info.addresses.push_back(*address);
  }
  return info;
}

}  // namespace keelson::agent
