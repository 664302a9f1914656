#include "api/endpoint_slice.h"

#include <gtest/gtest.h>

#include "api/codec.h"

namespace keelson::api {
namespace {

constexpr char kFull[] = R"({
  "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
  "metadata": {"name": "web-abc12", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
  "addressType": "IPv4",
  "endpoints": [
    {"addresses": ["10.244.1.7"], "conditions": {"ready": true, "serving": true, "terminating": false},
     "hostname": "web-0",
     "targetRef": {"kind": "Pod", "namespace": "shop", "name": "web-0", "uid": "u1"},
     "nodeName": "node1", "zone": "z1",
     "hints": {"forZones": [{"name": "z1"}, {"name": "z2"}], "forNodes": [{"name": "node1"}]}},
    {"addresses": ["10.244.2.9", "10.244.2.10"], "conditions": {}}
  ],
  "ports": [{"name": "http", "protocol": "TCP", "port": 8080, "appProtocol": "kubernetes.io/h2c"}, {"name": ""}]
})";

TEST(EndpointSliceCodec, ReadsEveryFieldAndWritesItBack) {
  const json::value text = json::parse(kFull);
  const auto decoded = decode<EndpointSlice>(text, UnknownFields::kRefuse);
  ASSERT_TRUE(decoded.ok()) << decoded.error().text;
  const EndpointSlice& slice = decoded->value;
  EXPECT_EQ(slice.address_type, "IPv4");
  ASSERT_EQ(slice.endpoints.size(), 2U);
  const Endpoint& first = slice.endpoints[0];
  EXPECT_EQ(first.addresses, std::vector<std::string>{"10.244.1.7"});
  EXPECT_EQ(first.conditions.ready, true);
  EXPECT_EQ(first.conditions.serving, true);
  EXPECT_EQ(first.conditions.terminating, false);
  EXPECT_EQ(first.hostname, "web-0");
  ASSERT_TRUE(first.target_ref);
  EXPECT_EQ(first.target_ref->uid, "u1");
  EXPECT_EQ(first.node_name, "node1");
  EXPECT_EQ(first.zone, "z1");
  ASSERT_TRUE(first.hints);
  EXPECT_EQ(first.hints->for_zones, (std::vector<std::string>{"z1", "z2"}));
  EXPECT_EQ(first.hints->for_nodes, std::vector<std::string>{"node1"});
  ASSERT_EQ(slice.ports.size(), 2U);
  EXPECT_EQ(slice.ports[0].port, 8080);
  EXPECT_EQ(slice.ports[0].app_protocol, "kubernetes.io/h2c");
  const auto again = decode<EndpointSlice>(encode(slice), UnknownFields::kRefuse);
  ASSERT_TRUE(again.ok()) << again.error().text;
  EXPECT_EQ(again->value, slice);
}

TEST(EndpointSliceCodec, KeepsUnknownConditionsApartFromFalse) {
  const auto decoded = decode<EndpointSlice>(json::parse(kFull));
  ASSERT_TRUE(decoded.ok());
  const EndpointConditions& conditions = decoded->value.endpoints[1].conditions;
  EXPECT_FALSE(conditions.ready.has_value());
  EXPECT_FALSE(conditions.serving.has_value());
  EXPECT_FALSE(conditions.terminating.has_value());
  EXPECT_FALSE(decoded->value.ports[1].port.has_value());
}

TEST(EndpointSliceCodec, ReadsASliceWithoutEndpointsAsTheServerWritesIt) {
  const auto decoded =
      decode<EndpointSlice>(json::parse(R"({"addressType": "IPv6", "endpoints": null, "ports": null})"));
  ASSERT_TRUE(decoded.ok()) << decoded.error().text;
  EXPECT_TRUE(decoded->value.endpoints.empty());
  EXPECT_TRUE(decoded->value.ports.empty());
}

}  // namespace
}  // namespace keelson::api
