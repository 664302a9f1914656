#include "proxy/doors.h"

#include <gtest/gtest.h>

#include "tests/unit/proxy/world.h"

namespace keelson::proxy {
namespace {

using namespace test;

std::string doors(const std::shared_ptr<api::Service>& service, std::vector<SlicePtr> slices) {
  return describe(resolveDoors({service}, slices, kNode));
}

TEST(Doors, AClusterIpLeadsToItsReadyEndpoints) {
  EXPECT_EQ(doors(service("a", "10.96.0.1"), {slice("a", {"10.244.1.2", "+10.244.0.2", "10.244.1.3!"})}),
            "10.96.0.1:80/TCP +10.244.0.2:8080 10.244.1.2:8080\n");
}

TEST(Doors, PortsAreMatchedByNameAndProtocolOverAllSlices) {
  EXPECT_EQ(doors(service("a", "10.96.0.1", {{80, "web"}, {53, "dns", "UDP"}}),
                  {slice("a", {"10.244.1.2"}, {{8080, "web"}, {5353, "dns", "UDP"}}),
                   slice("a", {"10.244.1.3"}, {{9090, "web"}, {1, "other"}})}),
            "10.96.0.1:80/TCP 10.244.1.2:8080 10.244.1.3:9090\n10.96.0.1:53/UDP 10.244.1.2:5353\n");
}

TEST(Doors, EndpointsThatEndButServeAreTheLastResort) {
  EXPECT_EQ(doors(service("a", "10.96.0.1"), {slice("a", {"10.244.1.2~", "10.244.1.3"})}),
            "10.96.0.1:80/TCP 10.244.1.3:8080\n");
  EXPECT_EQ(doors(service("a", "10.96.0.1"), {slice("a", {"10.244.1.2~", "10.244.1.3!"})}),
            "10.96.0.1:80/TCP 10.244.1.2:8080\n");
  EXPECT_EQ(doors(service("a", "10.96.0.1"), {slice("a", {"10.244.1.3!"})}), "10.96.0.1:80/TCP\n");
}

TEST(Doors, InternalPolicyLocalKeepsToThisNodeAndWithholdsTheRest) {
  auto made = service("a", "10.96.0.1");
  made->spec.internal_traffic_policy = "Local";
  EXPECT_EQ(doors(made, {slice("a", {"10.244.1.2", "+10.244.0.2"})}), "10.96.0.1:80/TCP +10.244.0.2:8080\n");
  EXPECT_EQ(doors(made, {slice("a", {"10.244.1.2"})}), "10.96.0.1:80/TCP withheld\n");
  EXPECT_EQ(doors(made, {}), "10.96.0.1:80/TCP\n");
}

TEST(Doors, NodePortsAndExternalAddressesFollowTheExternalPolicy) {
  auto made = service("a", "10.96.0.1", {{80, "", "TCP", 30080}}, "LoadBalancer");
  made->spec.external_ips = {"192.0.2.7", "fd00::1", "bad"};
  made->spec.external_traffic_policy = "Local";
  made->status.load_balancer_ingress = {
      {"198.51.100.1", "", ""}, {"198.51.100.2", "", "Proxy"}, {"", "name", ""}};
  EXPECT_EQ(doors(made, {slice("a", {"10.244.1.2", "+10.244.0.2"})}),
            "*:30080/TCP +10.244.0.2:8080 10.244.1.2:8080 / +10.244.0.2:8080\n"
            "10.96.0.1:80/TCP +10.244.0.2:8080 10.244.1.2:8080\n"
            "192.0.2.7:80/TCP +10.244.0.2:8080 10.244.1.2:8080 / +10.244.0.2:8080\n"
            "198.51.100.1:80/TCP +10.244.0.2:8080 10.244.1.2:8080 / +10.244.0.2:8080\n"
            "! service default/a: address bad is none\n");
}

TEST(Doors, WhatIsNoBusinessOfAProxyHasNoDoor) {
  auto headless = service("a", "None");
  auto external = service("a", "10.96.0.1", {{}}, "ExternalName");
  auto others = service("a", "10.96.0.1");
  others->metadata.labels["service.kubernetes.io/service-proxy-name"] = "mine";
  for (const auto& made : {headless, external, others})
    EXPECT_EQ(doors(made, {slice("a", {"10.244.1.2"})}), "");
}

TEST(Doors, HintsCountWhenAllEndpointsHaveThemAndOneIsForUs) {
  auto made = slice("a", {"10.244.1.2", "10.244.1.3"});
  made->endpoints[0].hints = api::EndpointHints{{"zone-a"}, {}};
  EXPECT_EQ(doors(service("a", "10.96.0.1"), {made}), "10.96.0.1:80/TCP 10.244.1.2:8080 10.244.1.3:8080\n");
  made->endpoints[1].hints = api::EndpointHints{{"zone-b"}, {}};
  EXPECT_EQ(doors(service("a", "10.96.0.1"), {made}), "10.96.0.1:80/TCP 10.244.1.2:8080\n");
  made->endpoints[0].hints->for_nodes = {"node2"};
  made->endpoints[1].hints->for_nodes = {"node1"};
  EXPECT_EQ(doors(service("a", "10.96.0.1"), {made}), "10.96.0.1:80/TCP 10.244.1.3:8080\n");
}

TEST(Doors, TwoFamiliesAreResolvedApart) {
  auto made = service("a", "10.96.0.1");
  made->spec.cluster_ips.push_back("fd00:96::1");
  EXPECT_EQ(doors(made, {slice("a", {"10.244.1.2"}), slice("a", {"fd00::2"}, {{8080}}, "IPv6"),
                         slice("a", {"name.example"}, {{8080}}, "FQDN")}),
            "10.96.0.1:80/TCP 10.244.1.2:8080\n[fd00:96::1]:80/TCP fd00::2:8080\n");
}

TEST(Doors, OfTwoServicesThatClaimOneDoorTheOlderHasIt) {
  auto older = service("b", "10.96.0.1"), younger = service("a", "10.96.0.1");
  older->metadata.creation_timestamp = WallTime{std::chrono::seconds(1)};
  younger->metadata.creation_timestamp = WallTime{std::chrono::seconds(2)};
  EXPECT_EQ(
      describe(resolveDoors({younger, older}, {slice("b", {"10.244.1.2"})}, kNode)),
      "10.96.0.1:80/TCP 10.244.1.2:8080\n! service default/a: 10.96.0.1:80/TCP is default/b:'s already\n");
}

}  // namespace
}  // namespace keelson::proxy
