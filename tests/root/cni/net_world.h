// Network namespaces, links and connections for the pod network's root tests.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/ip.h"
#include "base/unique_fd.h"
#include "cni/bridge_network.h"
#include "kernel/link.h"
#include "kernel/netns.h"

namespace keelson::cni::test {

constexpr int kHost = kernel::kOwnNetns;

inline IpAddress ip(const std::string& text) { return IpAddress::parse(text).value(); }
inline IpPrefix prefix(const std::string& text) { return IpPrefix::parse(text).value(); }

// A new network namespace, which ends with the descriptor.
inline UniqueFd makeNetns() {
  int fd = -1;
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) == 0) fd = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  }).join();
  return UniqueFd(fd);
}

inline UniqueFd socketIn(int netns, int type) {
  if (netns == kHost) return UniqueFd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  auto fd = kernel::openSocket(netns, AF_INET, type, 0);
  return fd ? std::move(fd).value() : UniqueFd();
}

inline sockaddr_in endpoint(const std::string& address, uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  ::inet_pton(AF_INET, address.c_str(), &out.sin_addr);
  return out;
}

inline std::string addressOf(const sockaddr_in& from) {
  char text[INET_ADDRSTRLEN] = {};
  ::inet_ntop(AF_INET, &from.sin_addr, text, sizeof text);
  return text;
}

// A socket that listens (TCP) or waits (UDP) in a namespace.
struct Server {
  UniqueFd fd;
  uint16_t port = 0;
};

inline Server serve(int netns, const std::string& address = "0.0.0.0", int type = SOCK_STREAM,
                    uint16_t port = 0) {
  Server server{socketIn(netns, type), 0};
  auto local = endpoint(address, port);
  socklen_t size = sizeof local;
  EXPECT_EQ(::bind(server.fd.get(), reinterpret_cast<sockaddr*>(&local), size), 0) << std::strerror(errno);
  if (type == SOCK_STREAM) {
    EXPECT_EQ(::listen(server.fd.get(), 8), 0);
  }
  EXPECT_EQ(::getsockname(server.fd.get(), reinterpret_cast<sockaddr*>(&local), &size), 0);
  server.port = ntohs(local.sin_port);
  return server;
}

inline bool readable(int fd, int milliseconds) {
  pollfd poll{fd, POLLIN, 0};
  return ::poll(&poll, 1, milliseconds) == 1;
}

constexpr timeval kPatience{8, 0};               // a lost first packet is sent again after 1 and 3 seconds
constexpr timeval kFirstPacketOnly{0, 900'000};  // gives up before that

// Connects from `netns` and tells which address the server saw; "" if it did not come to that.
inline std::string seenFrom(int netns, const std::string& address, uint16_t port, const Server& server,
                            timeval patience = kPatience) {
  const UniqueFd client = socketIn(netns, SOCK_STREAM);
  ::setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);  // bounds connect(2)
  const auto to = endpoint(address, port);
  if (::connect(client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return "";
  if (!readable(server.fd.get(), 2000)) return "";
  sockaddr_in from{};
  socklen_t size = sizeof from;
  const UniqueFd accepted(
      ::accept4(server.fd.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC));
  return accepted ? addressOf(from) : "";
}

inline std::string output(const std::string& command) {
  std::string text;
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(("{ " + command + "; } 2>&1").c_str(), "re"),
                                                   ::pclose);
  if (!pipe) return "popen failed";
  std::array<char, 4096> buffer{};
  while (const size_t n = ::fread(buffer.data(), 1, buffer.size(), pipe.get())) text.append(buffer.data(), n);
  return text;
}

inline std::string words(const std::string& text) {
  std::istringstream in(text);
  std::string word, all;
  while (in >> word)
    all += word + ((word.ends_with(";") || word.ends_with("{") || word.ends_with("}")) ? "\n" : " ");
  return all;
}

// One node: its network, and pods by number.
struct Node {
  explicit Node(std::string state_directory, std::string pods = "10.244.0.0/24") {
    options.pod_cidrs = {prefix(pods)};
    options.cluster_cidrs = {prefix("10.244.0.0/16")};
    options.state_directory = std::move(state_directory);
    start();
  }

  // What a restart of the daemon is.
  void start() {
    network.reset();
    auto opened = BridgeNetwork::open(options);
    ASSERT_TRUE(opened.ok()) << opened.error().text;
    network = std::move(opened).value();
  }
  void ensure() {
    const auto done = network->ensureNode(stop);
    ASSERT_TRUE(done.ok()) << done.error().text;
  }
  std::string attach(const std::string& uid, int netns, std::vector<PortMapping> ports = {}) {
    const auto addresses = network->attach({PodUid(uid), "default/" + uid, netns, std::move(ports)}, stop);
    EXPECT_TRUE(addresses.ok()) << addresses.error().text;
    return addresses.ok() ? addresses->front().str() : "";
  }
  Error refused(const std::string& uid, int netns, std::vector<PortMapping> ports = {}) {
    auto addresses = network->attach({PodUid(uid), "default/" + uid, netns, std::move(ports)}, stop);
    EXPECT_FALSE(addresses.ok());
    return addresses.ok() ? Error{} : std::move(addresses).error();
  }
  void detach(const std::string& uid) {
    const auto done = network->detach(PodUid(uid), stop);
    EXPECT_TRUE(done.ok()) << done.error().text;
  }
  std::string hostLink(const std::string& uid) const {
    for (const auto& entry : network->list())
      if (entry.uid.str() == uid) return entry.host_link;
    return "";
  }

  BridgeNetworkOptions options;
  Stop stop{std::chrono::seconds(50)};
  std::unique_ptr<BridgeNetwork> network;
};

// A machine beyond the node's uplink: 192.168.77.2 there, 192.168.77.1 on the node. It knows no way to pods.
struct Outside {
  Outside() {
    Stop stop{std::chrono::seconds(10)};
    const auto own = kernel::openOwnNetns().value();
    auto there = kernel::LinkSocket::open(netns.get()).value();
    auto here = kernel::LinkSocket::open().value();
    const auto made = there.apply(
        {kernel::CreateVeth{"eth0", 2, {2, 0, 0, 0, 0, 2}, 1400, "uplink", own.get()}, kernel::SetLinkUp{1},
         kernel::SetLinkUp{2}, kernel::AddAddress{{2, ip("192.168.77.2"), 24}},
         kernel::AddAddress{{2, ip("10.244.9.2"), 24}}},
        stop);
    EXPECT_TRUE(made.ok()) << made.error().text;
    uplink = here.find("uplink").value().value().index;
    const auto up =
        here.apply({kernel::SetLinkUp{uplink}, kernel::AddAddress{{uplink, ip("192.168.77.1"), 24}},
                    kernel::AddAddress{{uplink, ip("10.244.9.1"), 24}},
                    kernel::AddDefaultRoute{uplink, ip("192.168.77.2")}},
                   stop);
    EXPECT_TRUE(up.ok()) << up.error().text;
  }
  UniqueFd netns = makeNetns();
  int uplink = 0;
};

}  // namespace keelson::cni::test
