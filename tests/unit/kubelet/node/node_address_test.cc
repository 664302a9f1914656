#include "kubelet/node/node_address.h"

#include <gtest/gtest.h>

#include "tests/unit/kubelet/node/node_inputs.h"

namespace keelson::kubelet::node {
namespace {

const std::vector<LocalAddress> kLocal{{ip("127.0.0.1"), false},    {ip("192.0.2.10"), true},
                                       {ip("198.51.100.5"), false}, {ip("2001:db8::10"), true},
                                       {ip("fe80::1"), true},       {ip("169.254.3.3"), false}};

Lookup knows(std::vector<IpAddress> addresses) {
  return [addresses](const std::string&) { return Result<std::vector<IpAddress>>(addresses); };
}
const Lookup kNothing = [](const std::string& name) -> Result<std::vector<IpAddress>> {
  return makeError(Code::kUnavailable, "{}", name);
};

std::string chosen(const std::vector<IpAddress>& node_ips, const std::string& name, const Lookup& lookup) {
  const auto addresses = chooseNodeAddresses(node_ips, name, kLocal, lookup);
  if (!addresses) return std::string(codeName(addresses.error().code));
  std::string text;
  for (const auto& address : *addresses) text += (text.empty() ? "" : ",") + address.str();
  return text;
}

TEST(ChooseNodeAddresses, TakesThoseGivenInTheirOrder) {
  EXPECT_EQ(chosen({ip("2001:db8::10"), ip("192.0.2.10")}, "node1", kNothing), "2001:db8::10,192.0.2.10");
  EXPECT_EQ(chosen({ip("198.51.100.5")}, "node1", kNothing), "198.51.100.5");
}

TEST(ChooseNodeAddresses, RefusesAddressesThatCannotBeANodes) {
  const std::string refused = codeName(Code::kInvalidArgument);
  for (const char* text :
       {"127.0.0.1", "224.0.0.1", "169.254.3.3", "fe80::1", "ff02::1", "::1", "203.0.113.9"})
    EXPECT_EQ(chosen({ip(text)}, "node1", kNothing), refused) << text;
  EXPECT_EQ(chosen({ip("192.0.2.10"), ip("198.51.100.5")}, "node1", kNothing), refused);
  EXPECT_EQ(chosen({ip("192.0.2.10"), ip("::")}, "node1", kNothing), refused);
}

TEST(ChooseNodeAddresses, AsksNameThenRouteWithoutOne) {
  EXPECT_EQ(chosen({}, "198.51.100.5", kNothing), "198.51.100.5");
  EXPECT_EQ(chosen({}, "node1", knows({ip("127.0.0.1"), ip("2001:db8::10"), ip("198.51.100.5")})),
            "198.51.100.5");
  EXPECT_EQ(chosen({}, "node1", knows({ip("203.0.113.9")})), "192.0.2.10");  // not of this machine
  EXPECT_EQ(chosen({}, "node1", kNothing), "192.0.2.10");
  EXPECT_EQ(chosen({ip("0.0.0.0")}, "node1", kNothing), "192.0.2.10");
  EXPECT_EQ(chosen({ip("::")}, "node1", kNothing), "2001:db8::10");
}

TEST(ChooseNodeAddresses, SaysSoWhenThereIsNone) {
  EXPECT_FALSE(chooseNodeAddresses({}, "node1", {{ip("127.0.0.1"), false}}, kNothing));
}

}  // namespace
}  // namespace keelson::kubelet::node
