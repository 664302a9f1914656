// Links of the real kernel, in the test's own network namespace.
#include "kernel/link.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>

#include <algorithm>
#include <thread>

#include "kernel/netns.h"
#include "tests/root/fixture.h"

namespace keelson::kernel {
namespace {

UniqueFd makeNetns() {
  int fd = -1;
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) == 0) fd = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  }).join();
  return UniqueFd(fd);
}

IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }

struct Host {
  LinkSocket links = LinkSocket::open().value();
  Stop stop{std::chrono::seconds(20)};

  void apply(const std::vector<LinkChange>& changes) {
    const auto done = links.apply(changes, stop);
    ASSERT_TRUE(done.ok()) << done.error().text;
  }
  Link get(const std::string& name) { return links.find(name).value().value(); }
};

ROOT_TEST(Link, ABridgeHasTheMacAndMtuItWasMadeWithAndIsUp) {
  Host host;
  host.apply({CreateBridge{"br0", {2, 1, 2, 3, 4, 5}, 1400}});
  const auto bridge = host.get("br0");
  EXPECT_EQ(bridge.kind, "bridge");
  EXPECT_TRUE(bridge.up);
  EXPECT_EQ(bridge.mtu, 1400u);
  EXPECT_EQ(bridge.mac, (MacAddress{2, 1, 2, 3, 4, 5}));
  const auto again = host.links.apply({CreateBridge{"br0", {2, 1, 2, 3, 4, 5}, 0}}, host.stop);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, Code::kAlreadyExists);
  EXPECT_TRUE(again.error().text.starts_with("create bridge br0: EEXIST")) << again.error().text;
}

ROOT_TEST(Link, AVethIsMadeInsideAndItsPeerAppearsOutsideInOneBatch) {
  Host host;
  const auto netns = makeNetns();
  const auto own = openOwnNetns().value();
  host.apply({CreateBridge{"br0", {2, 1, 2, 3, 4, 5}, 1400}});
  auto inside = LinkSocket::open(netns.get()).value();
  const auto made =
      inside.apply({CreateVeth{"eth0", 5, {2, 0, 0, 0, 0, 9}, 1400, "outer0", own.get()}, SetLinkUp{1},
                    AddAddress{{5, ip("10.9.0.2"), 24}}, AddAddress{{5, ip("fd09::2"), 64}}, SetLinkUp{5},
                    AddDefaultRoute{5, ip("10.9.0.1")}, AddDefaultRoute{5, ip("fd09::1")}},
                   host.stop);
  ASSERT_TRUE(made.ok()) << made.error().text;
  const auto outer = host.get("outer0");
  const auto eth0 = inside.find("eth0").value().value();
  EXPECT_EQ(eth0.index, 5);
  EXPECT_EQ(eth0.peer, outer.index);
  EXPECT_EQ(outer.peer, eth0.index);
  EXPECT_EQ(eth0.mtu, 1400u);
  EXPECT_EQ(outer.mtu, 1400u);
  const auto addresses = inside.addresses().value();
  for (const auto& address : {LinkAddress{5, ip("10.9.0.2"), 24}, LinkAddress{5, ip("fd09::2"), 64}})
    EXPECT_NE(std::find(addresses.begin(), addresses.end(), address), addresses.end())
        << address.address.str();
  EXPECT_EQ(inside.defaultRoute(IpFamily::kV4).value()->gateway, ip("10.9.0.1"));
  EXPECT_EQ(inside.defaultRoute(IpFamily::kV6).value()->gateway, ip("fd09::1"));
  EXPECT_FALSE(host.links.defaultRoute(IpFamily::kV4).value().has_value());

  const auto bridge = host.get("br0");
  host.apply({JoinBridge{"outer0", bridge.index, "an alias"}, SetHairpin{outer.index}});
  const auto joined = host.get("outer0");
  EXPECT_EQ(joined.master, bridge.index);
  EXPECT_EQ(joined.alias, "an alias");
  EXPECT_TRUE(joined.up);
}

ROOT_TEST(Link, TheFirstRefusalOfABatchIsNamed) {
  Host host;
  const auto refused =
      host.links.apply({SetLinkUp{1}, AddAddress{{777, ip("10.9.0.2"), 24}}, RemoveLink{778}}, host.stop);
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(refused.error().text.starts_with("add address 10.9.0.2/24 to link 777: ENODEV"))
      << refused.error().text;
  host.apply({SetLinkUp{1}});  // the conversation goes on
}

ROOT_TEST(Link, AnAbsentLinkIsNoError) {
  Host host;
  const auto found = host.links.find("absent0");
  ASSERT_TRUE(found.ok()) << found.error().text;
  EXPECT_FALSE(found->has_value());
}

ROOT_TEST(Link, TheWatchTellsOfLinksAndLostAddresses) {
  Host host;
  auto watch = LinkWatch::open().value();
  host.apply({CreateBridge{"br0", {2, 1, 2, 3, 4, 5}, 1500}});
  const auto bridge = host.get("br0");
  host.apply({AddAddress{{bridge.index, ip("10.9.0.1"), 24}}, RemoveLink{bridge.index}});
  pollfd poll{watch.fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&poll, 1, 5000), 1);
  const auto changes = watch.drain();
  EXPECT_FALSE(changes.lost);
  EXPECT_TRUE(std::any_of(changes.changed.begin(), changes.changed.end(),
                          [](const Link& link) { return link.name == "br0" && link.up; }));
  EXPECT_EQ(changes.removed, std::vector<std::string>{"br0"});
  const LinkAddress lost{bridge.index, ip("10.9.0.1"), 24};
  EXPECT_NE(std::find(changes.lost_addresses.begin(), changes.lost_addresses.end(), lost),
            changes.lost_addresses.end());
}

}  // namespace
}  // namespace keelson::kernel
