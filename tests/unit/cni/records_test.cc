#include "cni/records.h"

#include <gtest/gtest.h>

namespace keelson::cni {
namespace {

IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }
std::vector<AddressRange> ranges(std::vector<const char*> texts) {
  std::vector<AddressRange> out;
  for (const char* text : texts) out.push_back(makeRange(IpPrefix::parse(text).value()).value());
  return out;
}
const auto kOne = ranges({"10.244.0.0/24"});

PodRecord pod(const char* uid, const char* name, const char* address, std::vector<PortMapping> ports = {}) {
  return {PodUid(uid), name, {ip(address)}, hostLinkName(PodUid(uid), 0), std::move(ports)};
}
Records records(std::vector<PodRecord> pods) {
  Records out;
  for (auto& one : pods) out.pods.emplace(one.uid, one);
  return out;
}

TEST(Records, ANewPodGetsAnAddressOfEachRange) {
  const auto record =
      planReservation({}, ranges({"10.244.0.0/24", "fd00:10::/64"}), {PodUid("a"), "default/web", {}, {}});
  ASSERT_TRUE(record.ok()) << record.error().text;
  ASSERT_EQ(record->addresses.size(), 2u);
  EXPECT_EQ(record->addresses[0].str(), "10.244.0.2");
  EXPECT_EQ(record->addresses[1].str(), "fd00:10::2");
  EXPECT_EQ(record->host_link.size(), 15u);
}

TEST(Records, APodKeepsItsAddressAndLinkAndTakesThePortsOfNow) {
  const auto have = records({pod("a", "default/web", "10.244.0.9", {{"TCP", 80, 80, ""}})});
  const auto again = planReservation(have, kOne, {PodUid("a"), "default/web", {{"TCP", 81, 80, ""}}, {}});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->addresses, have.pods.at(PodUid("a")).addresses);
  EXPECT_EQ(again->host_link, have.pods.at(PodUid("a")).host_link);
  EXPECT_EQ(again->ports, (std::vector<PortMapping>{{"TCP", 81, 80, ""}}));
}

TEST(Records, AnAddressThatEth0HasIsAdoptedIfItFitsAndIsFree) {
  const auto have = records({pod("a", "default/web", "10.244.0.9")});
  struct Case {
    const char* present;
    const char* given;
  };
  for (const auto& c : {Case{"10.244.0.77", "10.244.0.77"}, Case{"10.244.0.9", "10.244.0.2"},
                        Case{"10.244.0.1", "10.244.0.2"}, Case{"192.168.0.7", "10.244.0.2"}}) {
    const auto record = planReservation(have, kOne, {PodUid("b"), "default/b", {}, {ip(c.present)}});
    ASSERT_TRUE(record.ok());
    EXPECT_EQ(record->addresses[0].str(), c.given) << c.present;
  }
}

TEST(Records, HostPortsCollideAsTheSchedulerSays) {
  struct Case {
    PortMapping have, want;
    bool collide;
  };
  const Case cases[] = {
      {{"TCP", 80, 80, ""}, {"TCP", 80, 8080, ""}, true},
      {{"TCP", 80, 80, ""}, {"UDP", 80, 80, ""}, false},
      {{"TCP", 80, 80, ""}, {"TCP", 81, 80, ""}, false},
      {{"TCP", 80, 80, ""}, {"TCP", 80, 80, "127.0.0.1"}, true},
      {{"TCP", 80, 80, "127.0.0.1"}, {"TCP", 80, 80, ""}, true},
      {{"TCP", 80, 80, "0.0.0.0"}, {"TCP", 80, 80, "127.0.0.1"}, true},
      {{"TCP", 80, 80, "0.0.0.0"}, {"TCP", 80, 80, "fd00::1"}, false},
      {{"TCP", 80, 80, "0.0.0.0"}, {"TCP", 80, 80, "::"}, false},
      {{"TCP", 80, 80, "::"}, {"TCP", 80, 80, "fd00::1"}, true},
      {{"TCP", 80, 80, "::"}, {"TCP", 80, 80, ""}, true},
      {{"TCP", 80, 80, "127.0.0.1"}, {"TCP", 80, 80, "127.0.0.2"}, false},
      {{"TCP", 80, 80, "127.0.0.1"}, {"TCP", 80, 80, "127.0.0.1"}, true},
      {{"TCP", 80, 80, "fd00::1"}, {"TCP", 80, 80, "fd00:0::1"}, true},
  };
  for (const auto& c : cases) {
    const auto have = records({pod("a", "default/web", "10.244.0.9", {c.have})});
    const auto planned = planReservation(have, kOne, {PodUid("b"), "default/b", {c.want}, {}});
    EXPECT_EQ(!planned.ok(), c.collide) << c.have.host_ip << " " << c.want.host_ip;
    if (!planned.ok()) {
      EXPECT_EQ(planned.error().code, Code::kAlreadyExists);
      EXPECT_TRUE(planned.error().text.ends_with("is taken by pod default/web")) << planned.error().text;
    }
  }
}

TEST(Records, PortsThatCannotBeAreRefusedByName) {
  struct Case {
    std::vector<PortMapping> ports;
    Code code;
    const char* text;
  };
  const Case cases[] = {
      {{{"tcp", 80, 80, ""}}, Code::kInvalidArgument, "host port 80/tcp: protocol is not TCP, UDP or SCTP"},
      {{{"TCP", 0, 80, ""}}, Code::kInvalidArgument, "host port 0/TCP to 80: a port is 1 to 65535"},
      {{{"TCP", 80, 80, ""}, {"TCP", 80, 81, ""}},
       Code::kAlreadyExists,
       "host port 80/TCP is named twice by pod ns/p"},
  };
  for (const auto& c : cases) {
    const auto refused = planReservation({}, kOne, {PodUid("p"), "ns/p", c.ports, {}});
    ASSERT_FALSE(refused.ok()) << c.text;
    EXPECT_EQ(refused.error().code, c.code);
    EXPECT_EQ(refused.error().text, c.text);
  }
  EXPECT_FALSE(planReservation({}, kOne, {PodUid("p"), "ns/p", {{"TCP", 80, 80, "host"}}, {}}).ok());
}

TEST(Records, ALinkNameThatAnotherPodHasIsPassedOver) {
  auto other = pod("a", "default/a", "10.244.0.9");
  other.host_link = hostLinkName(PodUid("b"), 0);
  const auto record = planReservation(records({other}), kOne, {PodUid("b"), "default/b", {}, {}});
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(record->host_link, hostLinkName(PodUid("b"), 1));
}

TEST(Records, TextComesBackTheSameInTheSameBoot) {
  auto have = records({pod("a", "default/web", "10.244.0.9", {{"UDP", 53, 5353, "127.0.0.1"}}),
                       pod("b", "default/b", "10.244.0.10")});
  have.last = {ip("10.244.0.10")};
  const auto back = parseRecords(renderRecords(have, "boot-1"), "boot-1");
  ASSERT_TRUE(back.ok()) << back.error().text;
  EXPECT_EQ(back->pods, have.pods);
  EXPECT_EQ(back->last, have.last);
}

TEST(Records, OfAnotherBootOnlyTheLastAddressStays) {
  auto have = records({pod("a", "default/web", "10.244.0.9")});
  have.last = {ip("10.244.0.9")};
  const auto back = parseRecords(renderRecords(have, "boot-1"), "boot-2");
  ASSERT_TRUE(back.ok());
  EXPECT_TRUE(back->pods.empty());
  EXPECT_EQ(back->last, have.last);
}

TEST(Records, BrokenTextIsDataLossOrInvalid) {
  const char* const texts[] = {
      "",
      "{",
      "[]",
      "{}",
      R"({"version":2,"boot":"b","last":[],"pods":[]})",
      R"({"version":1,"boot":"b","last":["x"],"pods":[]})",
      R"({"version":1,"boot":"b","last":[],"pods":[{}]})",
      R"({"version":1,"boot":"b","last":[],"pods":[{"uid":"","name":"","addresses":[],"link":"l","ports":[]}]})",
      R"({"version":1,"boot":"b","last":[],"pods":[{"uid":"u","name":"","addresses":[],"link":"l",
          "ports":[{"protocol":"TCP","host_port":70000,"container_port":1,"host_ip":""}]}]})",
  };
  for (const char* text : texts) EXPECT_FALSE(parseRecords(text, "b").ok()) << text;
}

TEST(Records, AnAliasTellsTheRecordAgain) {
  auto record = pod("5f0c7ab6", "default/web", "10.244.0.9");
  record.addresses.push_back(ip("fd00::9"));
  EXPECT_EQ(renderAlias(record), "keelson-pod 5f0c7ab6 10.244.0.9,fd00::9 default/web");
  EXPECT_EQ(parseAlias(renderAlias(record), record.host_link), record);
}

TEST(Records, AnAliasOfOthersIsNotOurs) {
  for (const char* text :
       {"", "eth0", "keelson-pod", "keelson-pod ", "keelson-pod uid", "keelson-pod uid nonsense ns/n"})
    EXPECT_FALSE(parseAlias(text, "veth0").has_value()) << text;
}

TEST(Records, ALongNameIsCutFromTheAliasAndNothingElse) {
  auto record = pod("5f0c7ab6", "n", "10.244.0.9");
  record.full_name = std::string(63, 'n') + "/" + std::string(253, 'p');
  EXPECT_EQ(renderAlias(record).size(), 255u);
  const auto back = parseAlias(renderAlias(record), "veth0");
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->addresses, record.addresses);
}

}  // namespace
}  // namespace keelson::cni
