// A node with pods and a machine outside, for packets through both back ends.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proxy/iptables_backend.h"
#include "proxy/nft_backend.h"
#include "proxy/udp_flows.h"
#include "tests/root/cni/net_world.h"
#include "tests/root/fixture.h"
#include "tests/unit/proxy/world.h"

namespace keelson::proxy::test {

using namespace cni::test;

enum class Mode { kNftables, kIptables };

constexpr uint16_t kPort = 8080;  // of every pod's servers, each in a namespace of its own

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
};

inline Address addressOf(const std::string& text, uint16_t port) {
  Address made;
  const auto parsed = IpAddress::parse(text).value();
  if (parsed.family == IpFamily::kV4) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(made.bytes);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&v4.sin_addr, parsed.bytes.data(), 4);
    made.size = sizeof v4;
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(made.bytes);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&v6.sin6_addr, parsed.bytes.data(), 16);
    made.size = sizeof v6;
  }
  return made;
}

inline std::string textOf(const sockaddr_storage& from) {
  IpAddress address;
  if (from.ss_family == AF_INET) {
    std::memcpy(address.bytes.data(), &reinterpret_cast<const sockaddr_in&>(from).sin_addr, 4);
  } else {
    address.family = IpFamily::kV6;
    std::memcpy(address.bytes.data(), &reinterpret_cast<const sockaddr_in6&>(from).sin6_addr, 16);
  }
  return address.str();
}

inline UniqueFd socketOf(int netns, int family, int type, int protocol = 0) {
  if (netns == kHost) return UniqueFd(::socket(family, type | SOCK_CLOEXEC, protocol));
  auto fd = kernel::openSocket(netns, family, type, protocol);
  return fd ? std::move(fd).value() : UniqueFd();
}

inline UniqueFd listenIn(int netns, int family, int type, uint16_t port) {
  UniqueFd fd = socketOf(netns, family, type);
  const int one = 1;
  if (family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
  const auto local = addressOf(family == AF_INET6 ? "::" : "0.0.0.0", port);
  EXPECT_EQ(::bind(fd.get(), local.get(), local.size), 0) << std::strerror(errno);
  if (type == SOCK_STREAM) {
    EXPECT_EQ(::listen(fd.get(), 64), 0);
  }
  return fd;
}

// A descriptor of this process as other programs may open it.
inline std::string pathOf(const UniqueFd& fd) {
  return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd.get());
}

// Pods a and b serve, client only asks (and serves, to meet itself). 192.168.77.2 is outside.
struct Cluster {
  explicit Cluster(const std::string& scratch, Mode given = Mode::kNftables, bool dual = false)
      : mode(given), node(scratch + "/net") {
    if (dual) {
      node.options.pod_cidrs.push_back(prefix("fd00:244::/64"));
      node.options.cluster_cidrs.push_back(prefix("fd00:244::/48"));
      node.start();
      addOutside6();
      patience = {3, 0};  // an address that is new answers after its kernel has asked whether it is taken
    }
    node.ensure();
    for (const char* name : {"a", "b", "client"}) pods[name].netns = makeNetns();
    for (auto& [name, pod] : pods) {
      const int netns = pod.netns.get();
      const auto given_addresses = node.network->attach({PodUid(name), "default/" + name, netns, {}}, stop);
      EXPECT_TRUE(given_addresses.ok()) << given_addresses.error().text;
      if (given_addresses)
        for (const auto& address : *given_addresses)
          (address.family == IpFamily::kV4 ? pod.address : pod.address6) = address.str();
      pod.tcp.push_back(listenIn(netns, AF_INET, SOCK_STREAM, kPort));
      if (dual) pod.tcp.push_back(listenIn(netns, AF_INET6, SOCK_STREAM, kPort));
      pod.udp = listenIn(netns, AF_INET, SOCK_DGRAM, kPort);
    }
    std::vector<IpFamily> families{IpFamily::kV4};
    if (dual) families.push_back(IpFamily::kV6);
    if (mode == Mode::kNftables) {
      NftSettings settings;
      settings.cluster_cidrs = node.options.cluster_cidrs;
      plane = std::make_unique<NftBackend>(settings, families);
    } else {
      IptablesSettings settings;
      settings.cluster_cidrs = node.options.cluster_cidrs;
      plane = std::make_unique<IptablesBackend>(settings, families);
    }
  }

  struct Pod {
    UniqueFd netns;
    std::string address, address6;
    std::vector<UniqueFd> tcp;
    UniqueFd udp;
  };

  void addOutside6() {
    const std::string there = "nsenter --net=" + pathOf(outside.netns) + " ";
    EXPECT_EQ(output("ip -6 addr add fd77::1/64 dev uplink nodad && " + there +
                     "ip -6 addr add fd77::2/64 dev eth0 nodad && ip -6 route add default via fd77::2"),
              "");
  }

  void sync(std::vector<ServicePtr> services, std::vector<SlicePtr> slices) {
    const Resolved resolved = resolveDoors(services, slices, kNode);
    EXPECT_TRUE(resolved.problems.empty());
    const auto changes = changesBetween(doors, resolved.doors);
    auto done = plane->sync(resolved.doors, changes, stop);
    ASSERT_TRUE(done.ok()) << done.error().text;
    report = *done;
    ASSERT_TRUE(forgetStaleFlows(doorsWithStaleFlows(changes), stop).ok());
    doors = resolved.doors;
    // Administrators must be able to list it, and to load the listing of ours elsewhere.
    EXPECT_EQ(output(mode == Mode::kNftables
                         ? "nft list ruleset | unshare --net nft -f - && nft -j list ruleset > /dev/null"
                         : "{ nft list ruleset && nft -j list ruleset; } 2>&1 > /dev/null | grep -v '^# "
                           "Warning\\|^XT target'"),
              "");
  }

  // Which pod answered and whom it saw: "a 10.244.0.4"; "refused"; "timeout".
  std::string ask(int netns, const std::string& address, uint16_t port) {
    const auto to = addressOf(address, port);
    const UniqueFd client = socketOf(netns, to.bytes.ss_family, SOCK_STREAM);
    ::setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (::connect(client.get(), to.get(), to.size) != 0)
      return errno == ECONNREFUSED                     ? "refused"
             : errno == EINPROGRESS || errno == EAGAIN ? "timeout"
                                                       : std::strerror(errno);
    for (auto& [name, pod] : pods) {
      for (const auto& server : pod.tcp) {
        if (!readable(server.get(), 0)) continue;
        sockaddr_storage from{};
        socklen_t size = sizeof from;
        const UniqueFd accepted(
            ::accept4(server.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC));
        return name + " " + textOf(from);
      }
    }
    return "somebody else";
  }
  std::string askFrom(const std::string& pod, const std::string& address, uint16_t port) {
    return ask(pods.at(pod).netns.get(), address, port);
  }
  std::string askOutside(const std::string& address, uint16_t port) {
    return ask(outside.netns.get(), address, port);
  }
  // A way from outside to this prefix.
  void route(const std::string& to) {
    EXPECT_EQ(output(fmt::format("nsenter --net={} ip route add {} via {}", pathOf(outside.netns), to,
                                 to.find(':') == std::string::npos ? "192.168.77.1" : "fd77::1")),
              "");
  }
  std::string of(const std::string& name) const { return pods.at(name).address; }
  std::string local(const std::string& name) const { return "+" + of(name); }
  std::string local6(const std::string& name) const { return "+" + pods.at(name).address6; }

  const Mode mode;
  timeval patience{0, 700'000};
  Outside outside;
  cni::test::Node node;
  std::map<std::string, Pod> pods;
  std::unique_ptr<DataPlane> plane;
  Stop stop{std::chrono::seconds(50)};
  Doors doors;  // as synced
  SyncReport report;
};

}  // namespace keelson::proxy::test

// A root test for each back end.
#define PACKET_TEST(Name)                                                                              \
  static void Name##_Packets(::keelson::test::RootWorld& world, ::keelson::proxy::test::Mode mode);    \
  ROOT_TEST(NftPackets, Name) { Name##_Packets(world, ::keelson::proxy::test::Mode::kNftables); }      \
  ROOT_TEST(IptablesPackets, Name) { Name##_Packets(world, ::keelson::proxy::test::Mode::kIptables); } \
  static void Name##_Packets([[maybe_unused]] ::keelson::test::RootWorld& world,                       \
                             [[maybe_unused]] ::keelson::proxy::test::Mode mode)
