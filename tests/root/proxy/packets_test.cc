// Services on the real kernel: the test's own network namespace is the node, packets go between namespaces,
// through both back ends.
#include "tests/root/proxy/cluster.h"

namespace keelson::proxy {
namespace {

using namespace test;

PACKET_TEST(AClusterIpReachesItsEndpointsEvenlyUnderThePodsOwnAddress) {
  Cluster cluster(world.scratch, mode);
  cluster.sync({service("s", "10.96.0.1")}, {slice("s", {cluster.local("a"), cluster.local("b")})});
  std::map<std::string, int> answers;
  for (int i = 0; i < 200; ++i) ++answers[cluster.askFrom("client", "10.96.0.1", 80)];
  const std::string source = " " + cluster.of("client");
  EXPECT_EQ(answers.size(), 2U);
  // 200 fair draws lie outside of 60..140 about once in 10^8 runs.
  EXPECT_GT(answers["a" + source], 60);
  EXPECT_GT(answers["b" + source], 60);
  // The node itself reaches it, and a pod reaches itself through it.
  EXPECT_NE(cluster.ask(kHost, "10.96.0.1", 80), "timeout");
  cluster.sync({service("s", "10.96.0.1")}, {slice("s", {cluster.local("client")})});
  EXPECT_EQ(cluster.askFrom("client", "10.96.0.1", 80), "client 10.244.0.1");
}

PACKET_TEST(ClientsFromOutsideOfTheClusterAreMasqueraded) {
  Cluster cluster(world.scratch, mode);
  cluster.sync({service("s", "10.96.0.1")}, {slice("s", {cluster.local("a")})});
  cluster.route("10.96.0.0/16");
  EXPECT_EQ(cluster.askOutside("10.96.0.1", 80), "a 10.244.0.1");
}

PACKET_TEST(WithoutEndpointsAndOnUnusedPortsItIsRefusedAtOnce) {
  Cluster cluster(world.scratch, mode);
  cluster.sync({service("s", "10.96.0.1"), service("empty", "10.96.0.2")},
               {slice("s", {cluster.local("a")})});
  EXPECT_EQ(cluster.askFrom("client", "10.96.0.2", 80), "refused");
  EXPECT_EQ(cluster.askFrom("client", "10.96.0.1", 81), "refused");
  EXPECT_EQ(cluster.ask(kHost, "10.96.0.2", 80), "refused");
  auto local = service("l", "10.96.0.3");
  local->spec.internal_traffic_policy = "Local";
  cluster.sync({local}, {slice("l", {"10.244.9.9"})});
  EXPECT_EQ(cluster.askFrom("client", "10.96.0.3", 80), "timeout");
}

PACKET_TEST(NodePortsAnswerAndPolicyLocalKeepsTheClientsAddress) {
  Cluster cluster(world.scratch, mode);
  auto made = service("s", "10.96.0.1", {{80, "", "TCP", 30080}}, "NodePort");
  cluster.sync({made}, {slice("s", {cluster.local("a")})});
  EXPECT_EQ(cluster.askOutside("192.168.77.1", 30080), "a 10.244.0.1");
  EXPECT_EQ(cluster.askFrom("client", "10.244.0.1", 30080), "a 10.244.0.1");
  EXPECT_EQ(cluster.askOutside("192.168.77.1", 30081), "refused");
  auto local = std::make_shared<api::Service>(*made);
  local->spec.external_traffic_policy = "Local";
  cluster.sync({local}, {slice("s", {cluster.local("a")})});
  EXPECT_EQ(cluster.askOutside("192.168.77.1", 30080), "a 192.168.77.2");
  cluster.sync({local}, {slice("s", {"10.244.9.9"})});
  EXPECT_EQ(cluster.askOutside("192.168.77.1", 30080), "timeout");
  cluster.sync({local}, {});
  EXPECT_EQ(cluster.askOutside("192.168.77.1", 30080), "refused");
}

PACKET_TEST(ABalancersAddressIsForItsSourcesOnlyAndExternalAddressesForAll) {
  Cluster cluster(world.scratch, mode);
  auto made = service("s", "10.96.0.1", {{}}, "LoadBalancer");
  made->status.load_balancer_ingress = {{"192.168.77.9", "", ""}};
  made->spec.load_balancer_source_ranges = {"192.168.77.0/30"};
  made->spec.external_ips = {"192.168.77.10"};
  cluster.sync({made}, {slice("s", {cluster.local("a")})});
  cluster.route("192.168.77.9");
  cluster.route("192.168.77.10");
  EXPECT_EQ(cluster.askOutside("192.168.77.9", 80), "a 10.244.0.1");
  EXPECT_EQ(cluster.askOutside("192.168.77.10", 80), "a 10.244.0.1");
  auto other = std::make_shared<api::Service>(*made);
  other->spec.load_balancer_source_ranges = {"198.51.100.0/24"};
  cluster.sync({other}, {slice("s", {cluster.local("a")})});
  EXPECT_EQ(cluster.askOutside("192.168.77.9", 80), "timeout");
  EXPECT_EQ(cluster.askOutside("192.168.77.10", 80), "a 10.244.0.1");
}

PACKET_TEST(ClientIpAffinityKeepsAClientWithItsEndpointUntilItLeaves) {
  Cluster cluster(world.scratch, mode);
  auto made = service("s", "10.96.0.1", {{80, "", "TCP", 30080}}, "NodePort");
  made->spec.session_affinity = "ClientIP";
  const auto both = slice("s", {cluster.local("a"), cluster.local("b")});
  cluster.sync({made}, {both});
  const std::string first = cluster.askFrom("client", "10.96.0.1", 80);
  ASSERT_TRUE(first == "a " + cluster.of("client") || first == "b " + cluster.of("client")) << first;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(cluster.askFrom("client", "10.96.0.1", 80), first);
  // Another service changes meanwhile; an endpoint comes; through the node port it is the same.
  cluster.sync({made, service("t", "10.96.0.2")}, {both, slice("t", {cluster.local("a")})});
  cluster.sync({made}, {slice("s", {cluster.local("a"), cluster.local("b"), cluster.local("client")})});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(cluster.askFrom("client", "10.96.0.1", 80), first);
  EXPECT_EQ(cluster.askFrom("client", "10.244.0.1", 30080)[0], first[0]);
  const std::string other = first[0] == 'a' ? "b" : "a";
  cluster.sync({made}, {slice("s", {cluster.local(other)})});
  EXPECT_EQ(cluster.askFrom("client", "10.96.0.1", 80), other + " " + cluster.of("client"));
}

PACKET_TEST(TwoFamiliesAreServedEachByItsOwnEndpoints) {
  Cluster cluster(world.scratch, mode, true);
  auto made = service("s", "10.96.0.1", {{80, "", "TCP", 30080}}, "NodePort");
  made->spec.cluster_ips.push_back("fd00:96::1");
  auto empty = service("e", "10.96.0.2");
  empty->spec.cluster_ips.push_back("fd00:96::2");
  const auto six = slice("s6", {cluster.local6("b")}, {{8080}}, "IPv6");
  six->metadata.labels[api::kServiceNameLabel] = "s";
  cluster.sync({made, empty}, {slice("s", {cluster.local("a")}), six});
  cluster.route("fd00:96::/64");
  EXPECT_EQ(cluster.askFrom("client", "10.96.0.1", 80), "a " + cluster.of("client"));
  EXPECT_EQ(cluster.askFrom("client", "fd00:96::1", 80), "b " + cluster.pods["client"].address6);
  EXPECT_EQ(cluster.askFrom("client", "fd00:96::2", 80), "refused");
  EXPECT_EQ(cluster.askFrom("client", "fd00:96::1", 81), "refused");
  const std::string gateway = cluster.askOutside("fd00:96::1", 80);
  EXPECT_TRUE(gateway.starts_with("b fd00:244::")) << gateway;
  EXPECT_TRUE(cluster.askOutside("fd77::1", 30080).starts_with("b fd00:244::"));
  // A pod that meets itself.
  EXPECT_TRUE(cluster.askFrom("b", "fd00:96::1", 80).starts_with("b fd00:244::"));
  EXPECT_NE(cluster.askFrom("b", "fd00:96::1", 80), "b " + cluster.pods["b"].address6);
}

PACKET_TEST(AUdpClientThatNeverPausesMeetsTheNextEndpointAtOnce) {
  Cluster cluster(world.scratch, mode);
  auto made = service("dns", "10.96.0.10", {{53, "", "UDP"}});
  const auto at = [&](const std::string& pod) {
    return slice("dns", {cluster.local(pod)}, {{kPort, "", "UDP"}});
  };
  const UniqueFd client = socketIn(cluster.pods["client"].netns.get(), SOCK_DGRAM);
  const auto to = test::addressOf("10.96.0.10", 53);
  const auto meets = [&](const std::string& pod) {
    ::sendto(client.get(), "x", 1, 0, to.get(), to.size);
    char byte = 0;
    return readable(cluster.pods[pod].udp.get(), 500) &&
           ::recv(cluster.pods[pod].udp.get(), &byte, 1, 0) == 1;
  };
  cluster.sync({made}, {});
  EXPECT_FALSE(meets("a"));
  cluster.sync({made}, {at("a")});
  EXPECT_TRUE(meets("a"));
  cluster.sync({made}, {at("b")});
  EXPECT_TRUE(meets("b"));
  // A new life of the proxy, which was not there when the endpoint went: its flows are found by who answers.
  cluster.doors.clear();
  cluster.plane->distrust();
  cluster.sync({made}, {at("a")});
  EXPECT_TRUE(meets("a"));
}

// A connection's bytes go on through everything that happens to other services, and to its own.
PACKET_TEST(EstablishedConnectionsSurviveUnrelatedChangesAndARestart) {
  Cluster cluster(world.scratch, mode);
  const auto made = service("s", "10.96.0.1");
  const auto one = slice("s", {cluster.local("a")});
  cluster.sync({made}, {one});
  const UniqueFd client = socketIn(cluster.pods["client"].netns.get(), SOCK_STREAM);
  const auto to = test::addressOf("10.96.0.1", 80);
  ASSERT_EQ(::connect(client.get(), to.get(), to.size), 0);
  const UniqueFd served(::accept4(cluster.pods["a"].tcp[0].get(), nullptr, nullptr, SOCK_CLOEXEC));
  const auto talks = [&] {
    char byte = 0;
    return ::send(client.get(), "x", 1, MSG_NOSIGNAL) == 1 && readable(served.get(), 1000) &&
           ::recv(served.get(), &byte, 1, 0) == 1;
  };
  EXPECT_TRUE(talks());
  auto sticky = service("t", "10.96.0.2");
  sticky->spec.session_affinity = "ClientIP";
  cluster.sync({made, sticky}, {one, slice("t", {cluster.local("b")})});
  EXPECT_TRUE(talks());
  cluster.plane->distrust();
  cluster.sync({made}, {one});
  EXPECT_TRUE(talks());
  cluster.sync({made}, {slice("s", {cluster.local("b")})});
  EXPECT_TRUE(talks());
}

PACKET_TEST(ForeignRulesStayAndRemoveLeavesNothingOfOurs) {
  Cluster cluster(world.scratch, mode);
  ASSERT_EQ(output("nft 'add table ip foreign; add chain ip foreign c; add rule ip foreign c accept'"), "");
  const std::string before = output("nft list tables | grep -v 'ip nat\\|ip filter\\|ip mangle'");
  auto made = service("s", "10.96.0.1", {{80, "", "TCP", 30080}}, "NodePort");
  made->spec.session_affinity = "ClientIP";
  cluster.sync({made}, {slice("s", {cluster.local("a"), cluster.local("b")})});
  ASSERT_TRUE(cluster.plane->remove(cluster.stop).ok());
  EXPECT_EQ(output("nft list ruleset 2> /dev/null | grep 'KUBE-S\\|KUBE-PO\\|KUBE-N\\|KUBE-E\\|proxy'"), "");
  EXPECT_EQ(output("nft list tables | grep -v 'ip nat\\|ip filter\\|ip mangle'"), before);
  EXPECT_NE(cluster.askFrom("client", "10.96.0.1", 80).substr(0, 2), "a ");
  // And it is made again.
  cluster.sync({made}, {slice("s", {cluster.local("a")})});
  EXPECT_EQ(cluster.askFrom("client", "10.96.0.1", 80), "a " + cluster.of("client"));
}

// CRC32c of RFC 4960, bit by bit.
uint32_t crc32c(const std::string& bytes) {
  uint32_t crc = ~0U;
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int i = 0; i < 8; ++i) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
  }
  return ~crc;
}

// This kernel may track SCTP without having its sockets: an INIT by hand.
PACKET_TEST(SctpIsTranslatedWhereTheKernelTracksIt) {
  Cluster cluster(world.scratch, mode);
  cluster.sync({service("s", "10.96.0.1", {{80, "", "SCTP"}})},
               {slice("s", {cluster.local("a")}, {{9000, "", "SCTP"}})});
  const UniqueFd client = socketOf(cluster.pods["client"].netns.get(), AF_INET, SOCK_RAW, IPPROTO_SCTP);
  const UniqueFd server = socketOf(cluster.pods["a"].netns.get(), AF_INET, SOCK_RAW, IPPROTO_SCTP);
  if (!client || !server) GTEST_SKIP() << "no raw SCTP sockets: " << std::strerror(errno);
  std::string init("\x30\x39\x00\x50\x00\x00\x00\x00\x00\x00\x00\x00", 12);  // 12345 -> 80
  init += std::string("\x01\x00\x00\x14\x00\x00\x00\x01\x00\x01\x00\x00\x00\x01\x00\x01\x00\x00\x00\x01", 20);
  const uint32_t checksum = crc32c(init);
  std::memcpy(init.data() + 8, &checksum, sizeof checksum);
  const auto to = test::addressOf("10.96.0.1", 0);
  ASSERT_EQ(::sendto(client.get(), init.data(), init.size(), 0, to.get(), to.size),
            static_cast<ssize_t>(init.size()));
  ASSERT_TRUE(readable(server.get(), 2000));
  uint8_t packet[256] = {};
  const ssize_t got = ::recv(server.get(), packet, sizeof packet, 0);
  ASSERT_GE(got, 24);
  const size_t header = (packet[0] & 0xfU) * 4;
  EXPECT_EQ(packet[header + 2] << 8 | packet[header + 3], 9000);
}

ROOT_TEST(Modes, SwitchingLeavesNothingOfTheOther) {
  Cluster cluster(world.scratch, Mode::kNftables);
  const auto made = service("s", "10.96.0.1");
  cluster.sync({made}, {slice("s", {cluster.local("a")})});
  IptablesBackend other({{prefix("10.244.0.0/16")}}, {IpFamily::kV4});
  ASSERT_TRUE(other.sync(cluster.doors, {}, cluster.stop).ok());
  ASSERT_TRUE(cluster.plane->remove(cluster.stop).ok());
  EXPECT_EQ(cluster.askFrom("client", "10.96.0.1", 80), "a " + cluster.of("client"));
  EXPECT_TRUE(other.intact(cluster.stop).value());
  ASSERT_EQ(output("iptables -t nat -F && iptables -t nat -X"), "");
  EXPECT_FALSE(other.intact(cluster.stop).value());
  other.distrust();
  ASSERT_TRUE(other.sync(cluster.doors, {}, cluster.stop).ok());
  EXPECT_EQ(cluster.askFrom("client", "10.96.0.1", 80), "a " + cluster.of("client"));
}

}  // namespace
}  // namespace keelson::proxy
