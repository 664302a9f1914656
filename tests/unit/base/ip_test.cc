#include "base/ip.h"

#include <gtest/gtest.h>

namespace keelson {
namespace {

IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }
IpPrefix prefix(std::string_view text) { return IpPrefix::parse(text).value(); }

TEST(IpAddress, WritesTheCanonicalForm) {
  struct Case {
    const char* text;
    const char* canonical;
  };
  for (const Case& c : {Case{"10.244.0.1", "10.244.0.1"}, Case{"0.0.0.0", "0.0.0.0"},
                        Case{"255.255.255.255", "255.255.255.255"}, Case{"::", "::"}, Case{"::1", "::1"},
                        Case{"2001:DB8::1", "2001:db8::1"}, Case{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
                        Case{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
                        Case{"2001:0db8:0000:0000:0000:0000:0000:0000", "2001:db8::"},
                        Case{"1:0:0:2:0:0:0:3", "1:0:0:2::3"}, Case{"fe80:0:0:0:1:2:3:4", "fe80::1:2:3:4"},
                        Case{"::1:2", "::1:2"}, Case{"::ffff:10.0.0.1", "::ffff:10.0.0.1"},
                        Case{"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"}, Case{"0:1::", "0:1::"}}) {
    const Result<IpAddress> address = IpAddress::parse(c.text);
    ASSERT_TRUE(address.ok()) << c.text;
    EXPECT_EQ(address->str(), c.canonical);
    EXPECT_EQ(ip(c.canonical), *address);
  }
}

TEST(IpAddress, RefusesWhatIsNone) {
  for (const std::string_view text :
       {"", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.4/24",
        ":::", "1::2::3", "fe80::1%eth0", "[::1]", "12345::", "localhost", "0x7f.1", "1:2:3:4:5:6:7:8:9"}) {
    EXPECT_FALSE(IpAddress::parse(text).ok()) << text;
  }
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0x", 9)).ok());
  EXPECT_FALSE(IpAddress::parse(std::string(10'000, '1')).ok());
}

TEST(IpAddress, KnowsItsFamilyAndLoopback) {
  EXPECT_EQ(ip("10.0.0.1").family, IpFamily::kV4);
  EXPECT_EQ(ip("::1").family, IpFamily::kV6);
  for (const char* text : {"127.0.0.1", "127.255.0.3", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(ip(text).isLoopback()) << text;
  }
  for (const char* text : {"128.0.0.1", "10.127.0.1", "::2", "::", "::ffff:10.0.0.1"}) {
    EXPECT_FALSE(ip(text).isLoopback()) << text;
  }
}

TEST(IpAddress, AddsWithCarryAndWraps) {
  EXPECT_EQ(ip("10.244.0.1").plus(0).str(), "10.244.0.1");
  EXPECT_EQ(ip("10.244.0.255").plus(1).str(), "10.244.1.0");
  EXPECT_EQ(ip("10.244.0.0").plus(65536 + 258).str(), "10.245.1.2");
  EXPECT_EQ(ip("255.255.255.255").plus(1).str(), "0.0.0.0");
  EXPECT_EQ(ip("fd00::ffff").plus(1).str(), "fd00::1:0");
  EXPECT_EQ(ip("::ff").plus(UINT64_MAX).str(), "::1:0:0:0:fe");
  EXPECT_EQ(ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff").plus(2).str(), "::1");
}

TEST(IpAddress, OrdersByFamilyThenValue) {
  EXPECT_LT(ip("10.0.0.2"), ip("10.0.0.10"));
  EXPECT_LT(ip("255.0.0.0"), ip("::1"));
}

TEST(IpPrefix, ContainsItsAddressesAndNoOthers) {
  EXPECT_TRUE(prefix("10.244.0.0/24").contains(ip("10.244.0.255")));
  EXPECT_FALSE(prefix("10.244.0.0/24").contains(ip("10.244.1.0")));
  EXPECT_TRUE(prefix("10.244.128.0/17").contains(ip("10.244.255.1")));
  EXPECT_FALSE(prefix("10.244.128.0/17").contains(ip("10.244.127.1")));
  EXPECT_TRUE(prefix("0.0.0.0/0").contains(ip("8.8.8.8")));
  EXPECT_FALSE(prefix("0.0.0.0/0").contains(ip("::1")));
  EXPECT_TRUE(prefix("10.0.0.7/32").contains(ip("10.0.0.7")));
  EXPECT_TRUE(prefix("fd00:10::/64").contains(ip("fd00:10::1:2")));
  EXPECT_FALSE(prefix("fd00:10::/64").contains(ip("fd00:10:0:1::")));
  EXPECT_TRUE(prefix("fd00::1/128").contains(ip("fd00::1")));
}

TEST(IpPrefix, ReadsBackWhatItWrites) {
  for (const char* text :
       {"10.244.0.0/24", "0.0.0.0/0", "10.0.0.7/32", "fd00:10::/64", "::/0", "fe80::/10"}) {
    EXPECT_EQ(prefix(text).str(), text);
  }
}

TEST(IpPrefix, RefusesBadLengthsAndHostBits) {
  for (const char* text :
       {"10.244.0.0", "10.244.0.0/", "10.244.0.0/33", "fd00::/129", "10.244.0.0/-1", "10.244.0.0/+8",
        "10.244.0.0/024", "10.244.0.0/24/8", "10.244.0.0/2a", "/24", "10.244.0.0/9999999999"}) {
    EXPECT_FALSE(IpPrefix::parse(text).ok()) << text;
  }
  const Result<IpPrefix> host = IpPrefix::parse("10.244.0.7/24");
  ASSERT_FALSE(host.ok());
  EXPECT_EQ(host.error().text, "\"10.244.0.7/24\" has host bits set; the network is 10.244.0.0/24");
}

}  // namespace
}  // namespace keelson
