// The pod network on the real kernel: the test's own network namespace is the node.
#include "cni/bridge_network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "base/fs.h"
#include "tests/root/cni/net_world.h"
#include "tests/root/fixture.h"

namespace keelson::cni {
namespace {

using namespace test;

size_t countLinks(const std::string& kind) {
  auto host = kernel::LinkSocket::open().value();
  const auto links = host.links().value();
  return static_cast<size_t>(
      std::count_if(links.begin(), links.end(), [&](const auto& link) { return link.kind == kind; }));
}

// Namespaces die in the kernel's own time; link news say when.
bool waitForLinks(const std::string& kind, size_t count) {
  auto watch = kernel::LinkWatch::open().value();
  Stop stop{std::chrono::seconds(20)};
  while (countLinks(kind) != count && !stop.expired()) {
    readable(watch.fd(), 100);
    watch.drain();
  }
  return countLinks(kind) == count;
}

std::string rules() { return words(output("nft list table ip keelson-cni")); }

ROOT_TEST(BridgeNetwork, PodsReachEachOtherAndTheHostUnderTheirOwnAddresses) {
  Node node(world.scratch + "/net");
  node.ensure();
  const auto a = makeNetns(), b = makeNetns();
  const auto a_ip = node.attach("a", a.get()), b_ip = node.attach("b", b.get());
  EXPECT_EQ(a_ip, "10.244.0.2");
  EXPECT_EQ(b_ip, "10.244.0.3");
  const auto in_a = serve(a.get()), in_b = serve(b.get()), on_host = serve(kHost);
  EXPECT_EQ(seenFrom(b.get(), a_ip, in_a.port, in_a), b_ip);
  EXPECT_EQ(seenFrom(a.get(), b_ip, in_b.port, in_b), a_ip);
  EXPECT_EQ(seenFrom(a.get(), "10.244.0.1", on_host.port, on_host), a_ip);
  EXPECT_EQ(seenFrom(kHost, a_ip, in_a.port, in_a), "10.244.0.1");
  EXPECT_EQ(seenFrom(a.get(), "127.0.0.1", in_a.port, in_a), "127.0.0.1");  // lo is up
}

ROOT_TEST(BridgeNetwork, TheFirstPacketAfterAttachIsNotLost) {
  Node node(world.scratch + "/net");
  node.ensure();
  const auto on_host = serve(kHost);
  for (int i = 0; i < 10; ++i) {  // each time the bridge has no other port
    const auto pod = makeNetns();
    const auto uid = "p" + std::to_string(i);
    const auto address = node.attach(uid, pod.get());
    EXPECT_EQ(seenFrom(pod.get(), "10.244.0.1", on_host.port, on_host, kFirstPacketOnly), address);
    node.detach(uid);
  }
}

ROOT_TEST(BridgeNetwork, ADetachWorksWhileTheBridgeIsGone) {
  Node node(world.scratch + "/net");
  node.ensure();
  const auto a = makeNetns(), b = makeNetns();
  node.attach("a", a.get(), {{"TCP", 8080, 80, ""}});
  node.attach("b", b.get(), {{"TCP", 8081, 80, ""}});
  ASSERT_EQ(output("ip link delete cni0"), "");
  node.detach("b");
  EXPECT_EQ(rules().find("8081"), std::string::npos);
}

ROOT_TEST(BridgeNetwork, WhatLeavesTheClusterIsMasqueradedAndTheRestIsNot) {
  Outside outside;
  Node node(world.scratch + "/net");
  node.ensure();
  const auto pod = makeNetns();
  const auto pod_ip = node.attach("a", pod.get());
  const auto server = serve(outside.netns.get());
  EXPECT_EQ(seenFrom(pod.get(), "192.168.77.2", server.port, server), "192.168.77.1");

  // 10.244.9.2 is inside the cluster range: the pod's own address arrives, so the answer needs a way back.
  auto there = kernel::LinkSocket::open(outside.netns.get()).value();
  ASSERT_TRUE(there.apply({kernel::AddDefaultRoute{2, ip("10.244.9.1")}}, node.stop).ok());
  EXPECT_EQ(seenFrom(pod.get(), "10.244.9.2", server.port, server), pod_ip);
}

ROOT_TEST(BridgeNetwork, Eth0HasRouteMtuAndMacOfItsKind) {
  Outside outside;
  Node node(world.scratch + "/net");
  node.ensure();
  const auto pod = makeNetns();
  node.attach("a", pod.get());
  auto inside = kernel::LinkSocket::open(pod.get()).value();
  const auto eth0 = inside.find("eth0").value();
  ASSERT_TRUE(eth0.has_value());
  EXPECT_EQ(eth0->mtu, 1400u);  // the uplink's
  EXPECT_EQ(eth0->mac, (kernel::MacAddress{0x0a, 0x58, 10, 244, 0, 2}));
  const auto route = inside.defaultRoute(IpFamily::kV4).value();
  ASSERT_TRUE(route.has_value());
  EXPECT_EQ(route->gateway, ip("10.244.0.1"));
  auto host = kernel::LinkSocket::open().value();
  const auto link = host.find(node.hostLink("a")).value();
  ASSERT_TRUE(link.has_value());
  EXPECT_EQ(link->alias, "keelson-pod a 10.244.0.2 default/a");
  EXPECT_NE(output("bridge -d link show dev " + link->name).find("hairpin on"), std::string::npos);
}

ROOT_TEST(BridgeNetwork, HostPortsAnswerFromEverywhere) {
  Outside outside;
  Node node(world.scratch + "/net");
  node.ensure();
  const auto web = makeNetns(), other = makeNetns();
  const auto server = serve(web.get());
  node.attach("web", web.get(), {{"TCP", 8080, server.port, ""}, {"TCP", 8081, server.port, "192.168.77.1"}});
  node.attach("other", other.get());
  struct Case {
    const char* from;
    int netns;
    const char* to;
    uint16_t port;
    const char* seen;  // what the pod sees; "": no connection
  };
  const Case cases[] = {
      {"outside", outside.netns.get(), "192.168.77.1", 8080, "192.168.77.2"},
      {"the host by loopback", kHost, "127.0.0.1", 8080, "10.244.0.1"},
      {"the host by its address", kHost, "192.168.77.1", 8080, "192.168.77.1"},
      {"another pod", other.get(), "192.168.77.1", 8080, "10.244.0.1"},
      {"another pod by the gateway", other.get(), "10.244.0.1", 8080, "10.244.0.1"},
      {"itself", web.get(), "192.168.77.1", 8080, "10.244.0.1"},
      {"outside to the one address", outside.netns.get(), "192.168.77.1", 8081, "192.168.77.2"},
      {"the host to another address", kHost, "127.0.0.1", 8081, ""},
      {"outside to no host port", outside.netns.get(), "192.168.77.1", 8082, ""},
  };
  for (const auto& c : cases) EXPECT_EQ(seenFrom(c.netns, c.to, c.port, server), c.seen) << c.from;
  node.detach("web");
  EXPECT_EQ(seenFrom(outside.netns.get(), "192.168.77.1", 8080, server), "");
}

// CVE-2020-8558: with route_localnet a neighbour may talk to what listens on loopback only.
ROOT_TEST(BridgeNetwork, APodCannotReachTheHostsLoopback) {
  Node node(world.scratch + "/net");
  node.ensure();
  const auto pod = makeNetns();
  node.attach("a", pod.get(), {{"TCP", 8080, 80, ""}});  // turns route_localnet on
  const auto secret = serve(kHost, "127.0.0.1", SOCK_DGRAM);
  const std::string inside = fmt::format("nsenter --net=/proc/{}/fd/{} ", ::getpid(), pod.get());
  ASSERT_EQ(output(inside + "ip address flush dev lo; " + inside + "ip route add 127.0.0.1 via 10.244.0.1; " +
                   inside + "sh -c 'echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet'"),
            "");
  const auto attacker = socketIn(pod.get(), SOCK_DGRAM);
  const auto local = endpoint("10.244.0.2", 0), to = endpoint("127.0.0.1", secret.port);
  ASSERT_EQ(::bind(attacker.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local), 0);
  ASSERT_EQ(::connect(attacker.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0)
      << std::strerror(errno);

  // The attack is a real one: without the guard it arrives.
  ASSERT_EQ(output("nft flush chain ip keelson-cni loopback-guard"), "");
  ASSERT_EQ(::send(attacker.get(), "x", 1, 0), 1);
  EXPECT_TRUE(readable(secret.fd.get(), 2000));
  char byte = 0;
  ::recv(secret.fd.get(), &byte, 1, MSG_DONTWAIT);

  node.ensure();
  ASSERT_EQ(::send(attacker.get(), "x", 1, 0), 1);
  EXPECT_FALSE(readable(secret.fd.get(), 300));
}

ROOT_TEST(BridgeNetwork, TheHostsOwnPortsStayReachableBesideHostPorts) {
  Outside outside;
  Node node(world.scratch + "/net");
  node.ensure();
  const auto web = makeNetns();
  node.attach("web", web.get(), {{"TCP", 8080, 80, ""}});
  const auto own = serve(kHost);
  EXPECT_EQ(seenFrom(outside.netns.get(), "192.168.77.1", own.port, own), "192.168.77.2");
  EXPECT_EQ(seenFrom(web.get(), "192.168.77.1", own.port, own), "10.244.0.2");
  EXPECT_EQ(seenFrom(kHost, "127.0.0.1", own.port, own), "127.0.0.1");
}

ROOT_TEST(BridgeNetwork, AUdpClientMeetsTheNextPodOfAHostPortAtOnce) {
  Outside outside;
  Node node(world.scratch + "/net");
  node.ensure();
  const auto client = socketIn(outside.netns.get(), SOCK_DGRAM);
  const auto to = endpoint("192.168.77.1", 5353);
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  ::send(client.get(), "early", 5, 0);  // a flow before any pod
  for (const char* uid : {"first", "second"}) {
    const auto pod = makeNetns();
    const auto server = serve(pod.get(), "0.0.0.0", SOCK_DGRAM);
    node.attach(uid, pod.get(), {{"UDP", 5353, server.port, ""}});
    // An earlier answer "port unreachable" may be told by one send.
    if (::send(client.get(), "hello", 5, 0) < 0) ::send(client.get(), "hello", 5, 0);
    EXPECT_TRUE(readable(server.fd.get(), 2000)) << uid;
    node.detach(uid);
  }
}

ROOT_TEST(BridgeNetwork, HostPortsOfTwoPodsThatCollideAreRefusedByName) {
  Node node(world.scratch + "/net");
  node.ensure();
  const auto a = makeNetns(), b = makeNetns();
  node.attach("a", a.get(), {{"TCP", 8080, 80, ""}});
  const auto error = node.refused("b", b.get(), {{"TCP", 8080, 80, "127.0.0.1"}});
  EXPECT_EQ(error.code, Code::kAlreadyExists);
  EXPECT_EQ(error.text,
            "network of pod default/b: host port 8080/TCP on 127.0.0.1 is taken by pod default/a");
  EXPECT_EQ(node.network->list().size(), 1u);
  EXPECT_EQ(countLinks("veth"), 1u);
  EXPECT_EQ(node.attach("b", b.get(), {{"UDP", 8080, 80, ""}}), "10.244.0.3");
}

ROOT_TEST(BridgeNetwork, ARestartKeepsAddressesLinksAndHostPorts) {
  Node node(world.scratch + "/net");
  node.ensure();
  const auto a = makeNetns(), b = makeNetns(), c = makeNetns();
  const auto server = serve(a.get());
  const auto a_ip = node.attach("a", a.get(), {{"TCP", 8080, server.port, ""}}),
             b_ip = node.attach("b", b.get());
  auto host = kernel::LinkSocket::open().value();
  const int before = host.find(node.hostLink("a")).value()->index;
  const auto table = rules();
  node.start();
  EXPECT_FALSE(node.network->takeRecordsError().has_value());
  node.ensure();
  EXPECT_EQ(rules(), table);
  EXPECT_EQ(node.attach("b", b.get()), b_ip);
  EXPECT_EQ(node.attach("a", a.get(), {{"TCP", 8080, server.port, ""}}), a_ip);
  EXPECT_EQ(host.find(node.hostLink("a")).value()->index, before);
  EXPECT_EQ(node.attach("c", c.get()), "10.244.0.4");
  EXPECT_EQ(seenFrom(kHost, "127.0.0.1", 8080, server), "10.244.0.1");
}

ROOT_TEST(BridgeNetwork, LostRecordsAreDerivedFromTheLinks) {
  Node node(world.scratch + "/net");
  node.ensure();
  const auto a = makeNetns(), b = makeNetns(), c = makeNetns();
  const auto server = serve(a.get());
  const auto a_ip = node.attach("a", a.get(), {{"TCP", 8080, server.port, ""}});
  node.attach("b", b.get());
  const auto before = node.network->list();
  ASSERT_TRUE(writeFileAtomic(node.options.state_directory + "/network.json", "{ broken").ok());
  node.start();
  const auto error = node.network->takeRecordsError();
  ASSERT_TRUE(error.has_value());
  EXPECT_NE(error->text.find("network.json"), std::string::npos);
  EXPECT_FALSE(node.network->takeRecordsError().has_value());
  EXPECT_TRUE(readFile(node.options.state_directory + "/network.json.broken", 100).ok());
  node.ensure();
  EXPECT_EQ(seenFrom(kHost, "127.0.0.1", 8080, server), "10.244.0.1");
  const auto after = node.network->list();
  ASSERT_EQ(after.size(), before.size());
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(after[i].uid, before[i].uid);
    EXPECT_EQ(after[i].full_name, before[i].full_name);
    EXPECT_EQ(after[i].addresses, before[i].addresses);
    EXPECT_EQ(after[i].host_link, before[i].host_link);
  }
  EXPECT_EQ(node.attach("a", a.get(), {{"TCP", 8080, server.port, ""}}), a_ip);
  EXPECT_EQ(node.attach("c", c.get()), "10.244.0.4");
}

ROOT_TEST(BridgeNetwork, WithoutAnyRecordAnExistingEth0KeepsItsAddress) {
  Node node(world.scratch + "/net");
  node.ensure();
  const auto a = makeNetns(), b = makeNetns();
  node.attach("a", a.get());
  const auto b_ip = node.attach("b", b.get());
  node.options.state_directory = world.scratch + "/other";
  node.start();
  EXPECT_EQ(node.attach("b", b.get()), b_ip);
}

ROOT_TEST(BridgeNetwork, AFullRangeRefusesAndOneFreedServesAgain) {
  Node node(world.scratch + "/net", "10.244.0.0/29");
  node.ensure();
  std::vector<UniqueFd> pods;
  std::set<std::string> given;
  for (int i = 0; i < 5; ++i) {
    pods.push_back(makeNetns());
    given.insert(node.attach("p" + std::to_string(i), pods.back().get()));
  }
  EXPECT_EQ(given,
            (std::set<std::string>{"10.244.0.2", "10.244.0.3", "10.244.0.4", "10.244.0.5", "10.244.0.6"}));
  const auto late = makeNetns();
  const auto error = node.refused("late", late.get());
  EXPECT_EQ(error.code, Code::kResourceExhausted);
  EXPECT_EQ(node.network->list().size(), 5u);
  node.detach("p3");
  EXPECT_EQ(node.attach("late", late.get()), "10.244.0.5");
}

ROOT_TEST(BridgeNetwork, WhatOthersDestroyIsNoticedAndPutBack) {
  Outside outside;
  Node node(world.scratch + "/net");
  node.ensure();
  const auto a = makeNetns(), b = makeNetns();
  const auto in_a = serve(a.get()), out = serve(outside.netns.get());
  const auto a_ip = node.attach("a", a.get(), {{"TCP", 8080, in_a.port, ""}});
  const auto b_ip = node.attach("b", b.get());
  const auto table = rules();
  const std::string changes[] = {
      "nft delete table ip keelson-cni",
      "nft flush ruleset",
      "nft flush chain ip keelson-cni postrouting",
      "nft flush map ip keelson-cni hostports",
      "nft insert rule ip keelson-cni prerouting accept",
      "ip link delete cni0",
      "ip link set cni0 down",
      "ip address flush dev cni0",
      "ip link set " + node.hostLink("b") + " nomaster",
      "ip link set " + node.hostLink("b") + " down",
  };
  for (const auto& change : changes) {
    node.network->drainChanges();
    ASSERT_FALSE(readable(node.network->watchDescriptor(), 0)) << change;
    ASSERT_EQ(output(change), "");
    EXPECT_TRUE(readable(node.network->watchDescriptor(), 5000)) << change;
    EXPECT_TRUE(node.network->drainChanges()) << change;
    node.ensure();
    EXPECT_EQ(rules(), table) << change;
    EXPECT_EQ(seenFrom(b.get(), a_ip, in_a.port, in_a), b_ip) << change;
    EXPECT_EQ(seenFrom(b.get(), "192.168.77.2", out.port, out), "192.168.77.1") << change;
    EXPECT_EQ(seenFrom(outside.netns.get(), "192.168.77.1", 8080, in_a), "192.168.77.2") << change;
  }
}

ROOT_TEST(BridgeNetwork, ForeignNewsThatConcernNothingOfOursAndOurOwnDeedsAskForNothing) {
  Node node(world.scratch + "/net");
  node.ensure();
  const auto a = makeNetns(), b = makeNetns();
  node.attach("a", a.get(), {{"TCP", 8080, 80, ""}});
  node.network->drainChanges();
  ASSERT_EQ(output("ip link add foreign0 type bridge && ip address add 10.9.9.9/24 dev foreign0 && ip link "
                   "del foreign0"),
            "");
  node.attach("b", b.get(), {{"TCP", 8081, 80, ""}});
  node.detach("b");
  EXPECT_TRUE(readable(node.network->watchDescriptor(), 5000));
  EXPECT_FALSE(node.network->drainChanges());
}

ROOT_TEST(BridgeNetwork, EnsureNodeChangesNothingThatIsRight) {
  Node node(world.scratch + "/net");
  node.ensure();
  const auto a = makeNetns();
  node.attach("a", a.get(), {{"TCP", 8080, 80, ""}});
  auto nft = kernel::nft::openNft().value();
  const auto generation = nft->generation(node.stop).value();
  auto watch = kernel::LinkWatch::open().value();
  node.ensure();
  node.start();
  node.ensure();
  EXPECT_EQ(nft->generation(node.stop).value(), generation);
  const auto changes = watch.drain();
  EXPECT_TRUE(changes.changed.empty());
  EXPECT_TRUE(changes.removed.empty());
}

ROOT_TEST(BridgeNetwork, TheTableIsListedByNftAsRendered) {
  Node node(world.scratch + "/net");
  node.ensure();
  const auto a = makeNetns();
  node.attach("a", a.get(), {{"TCP", 8080, 80, ""}, {"UDP", 53, 5353, "127.0.0.1"}});
  Records records;
  records.pods[PodUid("a")] = {
      PodUid("a"), "", {ip("10.244.0.2")}, "", {{"TCP", 8080, 80, ""}, {"UDP", 53, 5353, "127.0.0.1"}}};
  const NetworkPlan plan{
      "cni0", "keelson-cni", {makeRange(prefix("10.244.0.0/24")).value()}, {prefix("10.244.0.0/16")}};
  EXPECT_EQ(rules(), words(renderTable(buildTable(plan, IpFamily::kV4, records))));
}

ROOT_TEST(BridgeNetwork, OtherTablesAndLinksAreLeftAlone) {
  ASSERT_EQ(
      output("nft add table ip theirs && nft add chain ip theirs c && ip link add theirs0 type bridge && "
             "ip link add theirs1 type veth peer name theirs2"),
      "");
  const auto before =
      output("nft list table ip theirs; ip -br link show dev theirs0; ip -br link show type veth");
  Node node(world.scratch + "/net");
  node.ensure();
  ASSERT_TRUE(node.network->reconcile({}, node.stop).ok());
  EXPECT_EQ(output("nft list table ip theirs; ip -br link show dev theirs0; ip -br link show type veth"),
            before);
}

ROOT_TEST(BridgeNetwork, APodWhoseLinkSomebodyDeletedIsToldAndRepairedByAttach) {
  Node node(world.scratch + "/net");
  node.ensure();
  const auto a = makeNetns();
  const auto a_ip = node.attach("a", a.get());
  EXPECT_TRUE(node.network->damaged().value().empty());
  ASSERT_EQ(output("ip link delete " + node.hostLink("a")), "");
  EXPECT_TRUE(node.network->drainChanges());
  EXPECT_EQ(node.network->damaged().value(), std::vector<PodUid>{PodUid("a")});
  EXPECT_EQ(node.attach("a", a.get()), a_ip);
  EXPECT_TRUE(node.network->damaged().value().empty());
  const auto server = serve(a.get());
  EXPECT_EQ(seenFrom(kHost, a_ip, server.port, server), "10.244.0.1");
}

ROOT_TEST(BridgeNetwork, AnEth0ThatLostItsPartsIsRepairedByAttach) {
  Node node(world.scratch + "/net");
  node.ensure();
  const auto a = makeNetns(), b = makeNetns();
  const auto a_ip = node.attach("a", a.get());
  node.attach("b", b.get());
  const auto server = serve(b.get());
  auto inside = kernel::LinkSocket::open(a.get()).value();
  const auto eth0 = inside.find("eth0").value();
  ASSERT_TRUE(inside.apply({kernel::RemoveLink{eth0->index}}, node.stop).ok());
  EXPECT_EQ(node.attach("a", a.get()), a_ip);
  EXPECT_EQ(seenFrom(a.get(), "10.244.0.3", server.port, server), a_ip);
}

ROOT_TEST(BridgeNetwork, ANewSandboxOfTheSamePodDoesNotWaitForTheOldOnesEnd) {
  Node node(world.scratch + "/net");
  node.ensure();
  const auto old_one = makeNetns(), new_one = makeNetns();
  const auto address = node.attach("a", old_one.get());
  const auto old_link = node.hostLink("a");
  EXPECT_EQ(node.attach("a", new_one.get()), address);
  EXPECT_NE(node.hostLink("a"), old_link);
  // What remains of the old one is removed by reconcile().
  ASSERT_TRUE(node.network->reconcile({PodUid("a")}, node.stop).ok());
  auto host = kernel::LinkSocket::open().value();
  EXPECT_FALSE(host.find(old_link).value().has_value());
  EXPECT_TRUE(host.find(node.hostLink("a")).value().has_value());
}

ROOT_TEST(BridgeNetwork, ReconcileReleasesWhatBelongsToNoLivePod) {
  Node node(world.scratch + "/net");
  node.ensure();
  const auto a = makeNetns(), b = makeNetns();
  const auto a_ip = node.attach("a", a.get(), {{"TCP", 8080, 80, ""}});
  node.attach("b", b.get(), {{"TCP", 8081, 80, ""}});
  node.start();
  node.ensure();
  const auto done = node.network->reconcile({PodUid("a")}, node.stop);
  ASSERT_TRUE(done.ok()) << done.error().text;
  ASSERT_EQ(node.network->list().size(), 1u);
  EXPECT_EQ(node.network->list()[0].addresses[0].str(), a_ip);
  EXPECT_EQ(countLinks("veth"), 1u);
  EXPECT_EQ(rules().find("8081"), std::string::npos);
  EXPECT_NE(rules().find("8080"), std::string::npos);
}

ROOT_TEST(BridgeNetwork, FiftyPodsThatCameAndWentLeaveNothing) {
  Node node(world.scratch + "/net");
  node.ensure();
  const auto table = rules();
  std::vector<UniqueFd> pods;
  for (int i = 0; i < 50; ++i) {
    pods.push_back(makeNetns());
    node.attach("p" + std::to_string(i), pods.back().get(),
                {{i % 2 ? "TCP" : "UDP", static_cast<uint16_t>(8000 + i), 80, ""}});
  }
  EXPECT_EQ(countLinks("veth"), 50u);
  EXPECT_NE(rules(), table);
  for (int i = 0; i < 50; ++i) node.detach("p" + std::to_string(i));
  pods.clear();
  EXPECT_TRUE(waitForLinks("veth", 0));
  EXPECT_EQ(rules(), table);
  EXPECT_TRUE(node.network->list().empty());
  const auto records = readFile(node.options.state_directory + "/network.json", 1 << 20);
  ASSERT_TRUE(records.ok());
  EXPECT_NE(records->find("\"pods\": []"), std::string::npos) << *records;
}

ROOT_TEST(BridgeNetwork, FourThreadsGetDistinctAddressesAndAllTheirPorts) {
  Node node(world.scratch + "/net");
  node.ensure();
  constexpr int kThreads = 4, kEach = 12;
  std::vector<UniqueFd> pods;
  for (int i = 0; i < kThreads * kEach; ++i) pods.push_back(makeNetns());
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const int number = t * kEach + i;
        const auto uid = "p" + std::to_string(number);
        node.attach(uid, pods[static_cast<size_t>(number)].get(),
                    {{"TCP", static_cast<uint16_t>(8000 + number), 80, ""}});
        if (i % 3 == 0) node.detach(uid);
      }
    });
  for (auto& thread : threads) thread.join();
  std::set<IpAddress> addresses;
  for (const auto& entry : node.network->list())
    addresses.insert(entry.addresses.begin(), entry.addresses.end());
  EXPECT_EQ(addresses.size(), size_t{kThreads * kEach * 2 / 3});
  auto nft = kernel::nft::openNft().value();
  const auto state = nft->read({kernel::nft::Family::kIp, "keelson-cni"}, node.stop).value();
  EXPECT_EQ(state.sets.at("hostports").elements.size(), addresses.size());
  const auto before = node.network->list();
  node.start();
  EXPECT_EQ(node.network->list().size(), before.size());
}

ROOT_TEST(BridgeNetwork, AFailedAttachLeavesNothing) {
  Node node(world.scratch + "/net");
  ASSERT_EQ(output("ip link add cni0 type veth peer name cni1"), "");
  const auto refused = node.network->ensureNode(node.stop);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().text, "pod network bridge cni0: link cni0 is a veth, not a bridge");
  const auto pod = makeNetns();
  node.refused("a", pod.get(), {{"TCP", 8080, 80, ""}});
  EXPECT_TRUE(node.network->list().empty());
  EXPECT_EQ(countLinks("veth"), 2u);
  const auto file = node.refused("a", -5);
  EXPECT_NE(file.text.find("network of pod default/a"), std::string::npos) << file.text;
  ASSERT_EQ(output("ip link del cni0"), "");
  EXPECT_NE(node.attach("a", pod.get()), "");
}

ROOT_TEST(BridgeNetwork, AttachMakesTheBridgeIfNobodyDid) {
  Node node(world.scratch + "/net");
  const auto pod = makeNetns();
  const auto address = node.attach("a", pod.get());
  const auto server = serve(pod.get());
  EXPECT_EQ(seenFrom(kHost, address, server.port, server), "10.244.0.1");
}

ROOT_TEST(BridgeNetwork, DualStackPodsHaveAnAddressAndARouteOfEachFamily) {
  Node node(world.scratch + "/net");
  node.options.pod_cidrs.push_back(prefix("fd00:10:244::/64"));
  node.options.cluster_cidrs.push_back(prefix("fd00:10:244::/56"));
  node.start();
  node.ensure();
  const auto a = makeNetns(), b = makeNetns();
  node.attach("a", a.get(), {{"TCP", 8080, 80, ""}});
  node.attach("b", b.get());
  const auto entry = node.network->list()[0];
  ASSERT_EQ(entry.addresses.size(), 2u);
  EXPECT_EQ(entry.addresses[1].str(), "fd00:10:244::2");
  auto inside = kernel::LinkSocket::open(a.get()).value();
  EXPECT_EQ(inside.defaultRoute(IpFamily::kV6).value()->gateway, ip("fd00:10:244::1"));
  EXPECT_NE(output("nft list table ip6 keelson-cni").find("tcp . 8080 : fd00:10:244::2 . 80"),
            std::string::npos);

  const UniqueFd server = std::move(kernel::openSocket(a.get(), AF_INET6, SOCK_STREAM, 0)).value();
  sockaddr_in6 local{};
  local.sin6_family = AF_INET6;
  socklen_t size = sizeof local;
  ASSERT_EQ(::bind(server.get(), reinterpret_cast<sockaddr*>(&local), size), 0);
  ASSERT_EQ(::listen(server.get(), 1), 0);
  ASSERT_EQ(::getsockname(server.get(), reinterpret_cast<sockaddr*>(&local), &size), 0);
  ASSERT_EQ(::inet_pton(AF_INET6, "fd00:10:244::2", &local.sin6_addr), 1);
  const UniqueFd client = std::move(kernel::openSocket(b.get(), AF_INET6, SOCK_STREAM, 0)).value();
  const timeval patience{5, 0};
  ::setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  EXPECT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&local), sizeof local), 0)
      << std::strerror(errno);
}

ROOT_TEST(BridgeNetwork, WithoutARangePodsWaitUntilTheNodeGetsOne) {
  Node node(world.scratch + "/net");
  node.options.pod_cidrs.clear();
  node.start();
  node.ensure();
  EXPECT_EQ(countLinks("bridge"), 0U);
  const auto pod = makeNetns();
  EXPECT_EQ(node.refused("a", pod.get()).text,
            "network of pod default/a: pod network: the node has no podCIDR yet");
  EXPECT_FALSE(node.network->ready().ok());
  EXPECT_FALSE(node.network->setPodCidrs({}).ok());
  ASSERT_TRUE(node.network->setPodCidrs({prefix("10.244.7.0/24")}).ok());
  node.ensure();
  EXPECT_TRUE(node.network->ready().ok());
  EXPECT_EQ(node.attach("a", pod.get()), "10.244.7.2");
  // The same pod keeps its address when the daemon starts again and has not heard of its range yet.
  node.start();
  ASSERT_TRUE(node.network->setPodCidrs({prefix("10.244.7.0/24")}).ok());
  EXPECT_EQ(node.attach("a", pod.get()), "10.244.7.2");
}

TEST(BridgeNetworkOptions, OptionsThatCannotBeAreRefusedByName) {
  struct Case {
    std::vector<const char*> pods, cluster;
    std::string bridge;
    const char* text;
  };
  const Case cases[] = {
      {{"10.244.0.0/24"}, {}, "a-name-of-16-byt", "bridge name a-name-of-16-byt: 1 to 15 bytes"},
      {{"10.244.0.0/31"}, {}, "cni0", "pod range 10.244.0.0/31: no room for pods; it needs two host bits"},
      {{"10.244.0.0/24", "10.245.0.0/24"}, {}, "cni0", "pod range 10.245.0.0/24: a second one of its family"},
      {{"10.244.0.0/24"}, {"0.0.0.0/0"}, "cni0", "cluster range 0.0.0.0/0: it is everything"},
  };
  for (const auto& c : cases) {
    BridgeNetworkOptions options;
    options.bridge = c.bridge;
    for (const char* text : c.pods) options.pod_cidrs.push_back(prefix(text));
    for (const char* text : c.cluster) options.cluster_cidrs.push_back(prefix(text));
    const auto refused = BridgeNetwork::open(options);
    ASSERT_FALSE(refused.ok()) << c.text;
    EXPECT_EQ(refused.error().text, c.text);
  }
}

}  // namespace
}  // namespace keelson::cni
