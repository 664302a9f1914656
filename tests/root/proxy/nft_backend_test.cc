// Services on the real kernel: the test's own network namespace is the node, packets go between namespaces.
#include "proxy/nft_backend.h"

#include <gtest/gtest.h>

#include <map>

#include "proxy/udp_flows.h"
#include "tests/root/cni/net_world.h"
#include "tests/root/fixture.h"
#include "tests/unit/proxy/world.h"

namespace keelson::proxy {
namespace {

using namespace cni::test;
using proxy::test::kNode;
using proxy::test::service;
using proxy::test::slice;

constexpr uint16_t kPort = 8080;  // of every pod's server, in namespaces of their own

// A descriptor of this process as other programs may open it.
std::string pathOf(const UniqueFd& fd) {
  return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd.get());
}

// A node with two pods that serve, and one that only asks.
struct Cluster {
  explicit Cluster(const std::string& scratch) : node(scratch + "/net") {
    node.ensure();
    for (const char* name : {"a", "b", "client"}) pods[name].netns = makeNetns();
    for (auto& [name, pod] : pods) {
      pod.address = node.attach(name, pod.netns.get());
      pod.tcp = serve(pod.netns.get(), "0.0.0.0", SOCK_STREAM, kPort);
      pod.udp = serve(pod.netns.get(), "0.0.0.0", SOCK_DGRAM, kPort);
    }
  }

  struct Pod {
    UniqueFd netns;
    std::string address;
    Server tcp, udp;
  };

  void sync(std::vector<ServicePtr> services, std::vector<SlicePtr> slices) {
    const Resolved resolved = resolveDoors(services, slices, kNode);
    EXPECT_TRUE(resolved.problems.empty());
    const auto changes = changesBetween(doors, resolved.doors);
    auto done = backend.sync(resolved.doors, changes, stop);
    ASSERT_TRUE(done.ok()) << done.error().text;
    report = *done;
    ASSERT_TRUE(forgetStaleFlows(doorsWithStaleFlows(changes), stop).ok());
    doors = resolved.doors;
    // Administrators must be able to list it, and to load the listing elsewhere.
    EXPECT_EQ(output("nft list ruleset | unshare --net nft -f - && nft -j list ruleset > /dev/null"), "");
  }

  // Which pod answered and whom it saw: "a 10.244.0.4"; "refused"; "timeout".
  std::string ask(int netns, const std::string& address, uint16_t port) {
    const UniqueFd client = socketIn(netns, SOCK_STREAM);
    const timeval patience{0, 700'000};
    ::setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    const auto to = endpoint(address, port);
    if (::connect(client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
      return errno == ECONNREFUSED                     ? "refused"
             : errno == EINPROGRESS || errno == EAGAIN ? "timeout"
                                                       : std::strerror(errno);
    for (auto& [name, pod] : pods) {
      if (!readable(pod.tcp.fd.get(), 0)) continue;
      sockaddr_in from{};
      socklen_t size = sizeof from;
      const UniqueFd accepted(
          ::accept4(pod.tcp.fd.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC));
      return name + " " + addressOf(from);
    }
    return "somebody else";
  }
  std::string of(const std::string& name) const { return pods.at(name).address; }
  std::string local(const std::string& name) const { return "+" + of(name); }

  cni::test::Node node;
  std::map<std::string, Pod> pods;
  NftBackend backend{{.cluster_cidrs = {prefix("10.244.0.0/16")}}, {IpFamily::kV4}};
  Stop stop{std::chrono::seconds(50)};
  Doors doors;  // as synced
  SyncReport report;
};

ROOT_TEST(NftBackend, AClusterIpReachesItsEndpointsEvenlyUnderThePodsOwnAddress) {
  Outside outside;
  Cluster cluster(world.scratch);
  cluster.sync({service("s", "10.96.0.1")}, {slice("s", {cluster.local("a"), cluster.local("b")})});
  const int client = cluster.pods["client"].netns.get();
  std::map<std::string, int> answers;
  for (int i = 0; i < 200; ++i) ++answers[cluster.ask(client, "10.96.0.1", 80)];
  const std::string source = " " + cluster.of("client");
  EXPECT_EQ(answers.size(), 2U);
  // 200 fair draws lie outside of 60..140 about once in 10^8 runs.
  EXPECT_GT(answers["a" + source], 60);
  EXPECT_GT(answers["b" + source], 60);
  // The node itself reaches it, and a pod reaches itself through it.
  EXPECT_NE(cluster.ask(kHost, "10.96.0.1", 80), "timeout");
  cluster.sync({service("s", "10.96.0.1")}, {slice("s", {cluster.local("client")})});
  EXPECT_EQ(cluster.ask(client, "10.96.0.1", 80), "client 10.244.0.1");
}

ROOT_TEST(NftBackend, ClientsFromOutsideOfTheClusterAreMasqueraded) {
  Outside outside;
  Cluster cluster(world.scratch);
  cluster.sync({service("s", "10.96.0.1")}, {slice("s", {cluster.local("a")})});
  ASSERT_EQ(output("nsenter --net=" + pathOf(outside.netns) + " ip route add 10.96.0.0/16 via 192.168.77.1"),
            "");
  EXPECT_EQ(cluster.ask(outside.netns.get(), "10.96.0.1", 80), "a 10.244.0.1");
}

ROOT_TEST(NftBackend, WithoutEndpointsAndOnUnusedPortsItIsRefusedAtOnce) {
  Outside outside;
  Cluster cluster(world.scratch);
  const int client = cluster.pods["client"].netns.get();
  cluster.sync({service("s", "10.96.0.1"), service("empty", "10.96.0.2")},
               {slice("s", {cluster.local("a")})});
  EXPECT_EQ(cluster.ask(client, "10.96.0.2", 80), "refused");
  EXPECT_EQ(cluster.ask(client, "10.96.0.1", 81), "refused");
  EXPECT_EQ(cluster.ask(kHost, "10.96.0.2", 80), "refused");
  auto local = service("l", "10.96.0.3");
  local->spec.internal_traffic_policy = "Local";
  cluster.sync({local}, {slice("l", {"10.244.9.9"})});
  EXPECT_EQ(cluster.ask(client, "10.96.0.3", 80), "timeout");
}

ROOT_TEST(NftBackend, NodePortsAnswerAndPolicyLocalKeepsTheClientsAddress) {
  Outside outside;
  Cluster cluster(world.scratch);
  auto made = service("s", "10.96.0.1", {{80, "", "TCP", 30080}}, "NodePort");
  cluster.sync({made}, {slice("s", {cluster.local("a")})});
  EXPECT_EQ(cluster.ask(outside.netns.get(), "192.168.77.1", 30080), "a 10.244.0.1");
  EXPECT_EQ(cluster.ask(cluster.pods["client"].netns.get(), "10.244.0.1", 30080), "a 10.244.0.1");
  EXPECT_EQ(cluster.ask(outside.netns.get(), "192.168.77.1", 30081), "refused");
  auto local = std::make_shared<api::Service>(*made);
  local->spec.external_traffic_policy = "Local";
  cluster.sync({local}, {slice("s", {cluster.local("a")})});
  EXPECT_EQ(cluster.ask(outside.netns.get(), "192.168.77.1", 30080), "a 192.168.77.2");
  cluster.sync({local}, {slice("s", {"10.244.9.9"})});
  EXPECT_EQ(cluster.ask(outside.netns.get(), "192.168.77.1", 30080), "timeout");
  cluster.sync({local}, {});
  EXPECT_EQ(cluster.ask(outside.netns.get(), "192.168.77.1", 30080), "refused");
}

ROOT_TEST(NftBackend, ABalancersAddressIsForItsSourcesOnly) {
  Outside outside;
  Cluster cluster(world.scratch);
  auto made = service("s", "10.96.0.1", {{}}, "LoadBalancer");
  made->status.load_balancer_ingress = {{"192.168.77.9", "", ""}};
  made->spec.load_balancer_source_ranges = {"192.168.77.0/30"};
  cluster.sync({made}, {slice("s", {cluster.local("a")})});
  ASSERT_EQ(output("nsenter --net=" + pathOf(outside.netns) + " ip route add 192.168.77.9 via 192.168.77.1"),
            "");
  EXPECT_EQ(cluster.ask(outside.netns.get(), "192.168.77.9", 80), "a 10.244.0.1");
  auto other = std::make_shared<api::Service>(*made);
  other->spec.load_balancer_source_ranges = {"198.51.100.0/24"};
  cluster.sync({other}, {slice("s", {cluster.local("a")})});
  EXPECT_EQ(cluster.ask(outside.netns.get(), "192.168.77.9", 80), "timeout");
}

ROOT_TEST(NftBackend, AUdpClientThatNeverPausesMeetsTheNextEndpointAtOnce) {
  Outside outside;
  Cluster cluster(world.scratch);
  auto made = service("dns", "10.96.0.10", {{53, "", "UDP"}});
  const auto at = [&](const std::string& pod) {
    return slice("dns", {cluster.local(pod)}, {{kPort, "", "UDP"}});
  };
  const UniqueFd client = socketIn(cluster.pods["client"].netns.get(), SOCK_DGRAM);
  const auto to = endpoint("10.96.0.10", 53);
  const auto meets = [&](const std::string& pod) {
    ::sendto(client.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
    char byte = 0;
    return readable(cluster.pods[pod].udp.fd.get(), 500) &&
           ::recv(cluster.pods[pod].udp.fd.get(), &byte, 1, 0) == 1;
  };
  cluster.sync({made}, {});
  EXPECT_FALSE(meets("a"));
  cluster.sync({made}, {at("a")});
  EXPECT_TRUE(meets("a"));
  cluster.sync({made}, {at("b")});
  EXPECT_TRUE(meets("b"));
}

ROOT_TEST(NftBackend, WhatIsRightIsNotTouchedAndWhatChangedCostsItsOwnSize) {
  Cluster cluster(world.scratch);
  std::vector<ServicePtr> services;
  std::vector<SlicePtr> slices;
  for (int i = 1; i <= 100; ++i) {
    const std::string name = "s" + std::to_string(i);
    services.push_back(service(name, "10.96.1." + std::to_string(i)));
    slices.push_back(slice(name, {"10.244.1.1", "10.244.1.2", "10.244.1.3"}));
  }
  cluster.sync(services, slices);
  EXPECT_TRUE(cluster.report.structure);
  cluster.sync(services, slices);
  EXPECT_TRUE(cluster.report.generations.empty());
  slices[7] = slice("s8", {"10.244.1.1", "10.244.1.9", "10.244.1.3"});
  cluster.sync(services, slices);
  EXPECT_FALSE(cluster.report.structure);
  EXPECT_LE(cluster.report.elements, 6U);
  // A new life of the daemon finds everything right.
  cluster.backend.distrust();
  cluster.sync(services, slices);
  EXPECT_TRUE(cluster.report.generations.empty());
}

ROOT_TEST(NftBackend, ADeletedTableComesBackAndRemoveLeavesNothing) {
  Cluster cluster(world.scratch);
  const auto services = std::vector<ServicePtr>{service("s", "10.96.0.1")};
  const auto slices = std::vector<SlicePtr>{slice("s", {cluster.local("a")})};
  cluster.sync(services, slices);
  ASSERT_EQ(output("nft delete table ip keelson-proxy"), "");
  cluster.backend.distrust();
  cluster.sync(services, slices);
  EXPECT_EQ(cluster.ask(cluster.pods["client"].netns.get(), "10.96.0.1", 80), "a " + cluster.of("client"));
  ASSERT_TRUE(cluster.backend.remove(cluster.stop).ok());
  EXPECT_EQ(output("nft list tables | grep proxy"), "");
}

}  // namespace
}  // namespace keelson::proxy
