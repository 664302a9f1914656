#include "proxy/udp_flows.h"

#include <gtest/gtest.h>

#include "tests/unit/proxy/world.h"

namespace keelson::proxy {
namespace {

using namespace test;

kernel::UdpFlow flow(const std::string& to, uint16_t port, const std::string& answering, uint16_t from) {
  return {IpAddress::parse(to).value(), port, IpAddress::parse(answering).value(), from};
}

Doors doorsOf(std::vector<std::string> endpoints) {
  auto made = service("dns", "10.96.0.10", {{53, "", "UDP", 30053}}, "NodePort");
  return resolveDoors({made}, {slice("dns", std::move(endpoints), {{5353, "", "UDP"}})}, kNode).doors;
}

TEST(UdpFlows, AreStaleWhenAnotherThanAnEndpointAnswers) {
  const auto doors = doorsOf({"10.244.1.2"});
  EXPECT_FALSE(isStale(flow("10.96.0.10", 53, "10.244.1.2", 5353), doors));
  EXPECT_TRUE(isStale(flow("10.96.0.10", 53, "10.244.1.3", 5353), doors));
  EXPECT_TRUE(isStale(flow("10.96.0.10", 53, "10.244.1.2", 53), doors));
  EXPECT_TRUE(isStale(flow("10.96.0.10", 53, "10.96.0.10", 53), doors));  // from when there was none
  EXPECT_FALSE(isStale(flow("10.96.0.11", 53, "10.244.1.3", 5353), doors));
}

TEST(UdpFlows, ThroughANodePortAreOursOnlyWhenTranslated) {
  const auto doors = doorsOf({"10.244.1.2"});
  EXPECT_TRUE(isStale(flow("192.168.77.1", 30053, "10.244.1.3", 5353), doors));
  EXPECT_FALSE(isStale(flow("192.168.77.1", 30053, "10.244.1.2", 5353), doors));
  EXPECT_FALSE(isStale(flow("8.8.8.8", 30053, "8.8.8.8", 30053), doors));
}

TEST(UdpFlows, AreLookedAtWhenAnEndpointLeftOrTheFirstCame) {
  const auto looked = [](std::vector<std::string> before, std::vector<std::string> now) {
    return doorsWithStaleFlows(changesBetween(doorsOf(std::move(before)), doorsOf(std::move(now)))).size();
  };
  EXPECT_EQ(looked({"10.244.1.2"}, {"10.244.1.2", "10.244.1.3"}), 0U);
  EXPECT_EQ(looked({"10.244.1.2", "10.244.1.3"}, {"10.244.1.2"}), 2U);
  EXPECT_EQ(looked({}, {"10.244.1.2"}), 2U);
  EXPECT_EQ(doorsWithStaleFlows(changesBetween(doorsOf({"10.244.1.2"}), {})).size(), 2U);
}

}  // namespace
}  // namespace keelson::proxy
