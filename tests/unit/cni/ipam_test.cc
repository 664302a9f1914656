#include "cni/ipam.h"

#include <gtest/gtest.h>

namespace keelson::cni {
namespace {

IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }
AddressRange range(const char* text) { return makeRange(IpPrefix::parse(text).value()).value(); }

TEST(Ipam, TheFirstPodGetsTheAddressAfterTheGateway) {
  EXPECT_EQ(planAddress(range("10.244.0.0/24"), {}, {})->str(), "10.244.0.2");
  EXPECT_EQ(planAddress(range("fd00:10::/64"), {}, {})->str(), "fd00:10::2");
}

TEST(Ipam, NetworkGatewayAndBroadcastAreNeverGiven) {
  struct Case {
    const char* range;
    const char* address;
    bool assignable;
  };
  const Case cases[] = {
      {"10.244.0.0/24", "10.244.0.0", false},
      {"10.244.0.0/24", "10.244.0.1", false},
      {"10.244.0.0/24", "10.244.0.2", true},
      {"10.244.0.0/24", "10.244.0.254", true},
      {"10.244.0.0/24", "10.244.0.255", false},
      {"10.244.0.0/24", "10.244.1.2", false},
      {"10.244.0.0/16", "10.244.0.255", true},
      {"10.0.0.0/8", "10.255.255.255", false},
      {"10.244.0.8/29", "10.244.0.15", false},
      {"10.244.0.8/29", "10.244.0.14", true},
      {"fd00:10::/64", "fd00:10::", false},
      {"fd00:10::/64", "fd00:10::1", false},
      {"fd00:10::/64", "fd00:10::ffff:ffff:ffff:ffff", true},
      {"fd00:10::/64", "10.244.0.2", false},
  };
  for (const auto& c : cases)
    EXPECT_EQ(isAssignable(range(c.range), ip(c.address)), c.assignable) << c.address;
}

TEST(Ipam, GoesRoundSoThatAFreedAddressIsNotReusedAtOnce) {
  const auto r = range("10.244.0.0/29");  // .2 to .6
  std::set<IpAddress> used;
  std::optional<IpAddress> last;
  std::string given;
  for (int i = 0; i < 7; ++i) {
    last = planAddress(r, used, last).value();
    given += last->str().substr(9) + " ";
  }
  EXPECT_EQ(given, "2 3 4 5 6 2 3 ");
}

TEST(Ipam, SkipsWhatIsInUse) {
  const auto r = range("10.244.0.0/29");
  EXPECT_EQ(planAddress(r, {ip("10.244.0.3"), ip("10.244.0.4")}, ip("10.244.0.2"))->str(), "10.244.0.5");
  EXPECT_EQ(planAddress(r, {ip("10.244.0.6"), ip("10.244.0.2")}, ip("10.244.0.5"))->str(), "10.244.0.3");
}

TEST(Ipam, ALastAddressOfAnotherRangeStartsAnew) {
  EXPECT_EQ(planAddress(range("10.244.1.0/24"), {}, ip("10.244.0.77"))->str(), "10.244.1.2");
  EXPECT_EQ(planAddress(range("10.244.1.0/24"), {}, ip("fd00::7"))->str(), "10.244.1.2");
}

TEST(Ipam, AFullRangeIsNamed) {
  std::set<IpAddress> used;
  for (int i = 2; i <= 6; ++i) used.insert(ip("10.244.0.0").plus(static_cast<uint64_t>(i)));
  const auto refused = planAddress(range("10.244.0.0/29"), used, ip("10.244.0.4"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kResourceExhausted);
  EXPECT_EQ(refused.error().text, "pod range 10.244.0.0/29: no free address (5 in use)");
}

TEST(Ipam, GivesEachAddressOfARangeExactlyOnce) {
  const auto r = range("10.244.0.0/24");
  std::set<IpAddress> used;
  std::optional<IpAddress> last = ip("10.244.0.200");
  for (int i = 0; i < 253; ++i) {
    const auto given = planAddress(r, used, last);
    ASSERT_TRUE(given.ok()) << i << ": " << given.error().text;
    ASSERT_TRUE(used.insert(*given).second) << given->str();
    last = *given;
  }
  EXPECT_FALSE(planAddress(r, used, last).ok());
}

TEST(Ipam, ARangeWithoutRoomIsRefused) {
  for (const char* text : {"10.244.0.0/31", "10.244.0.0/32", "fd00::/127"})
    EXPECT_EQ(makeRange(IpPrefix::parse(text).value()).error().code, Code::kInvalidArgument) << text;
  EXPECT_EQ(planAddress(range("10.244.0.0/30"), {}, {})->str(), "10.244.0.2");
}

}  // namespace
}  // namespace keelson::cni
