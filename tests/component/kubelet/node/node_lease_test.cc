#include "kubelet/node/node_lease.h"

#include "tests/component/kubelet/node/node_world.h"

namespace keelson::kubelet::node {
namespace {

using std::chrono::milliseconds;

constexpr char kPath[] = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node1";

struct NodeLeaseTest : NodeWorld {
  std::string uid = "uid-7";
  LeaseSettings settings{.node_name = "node1"};
  std::unique_ptr<NodeLease> lease;

  NodeLeaseTest() {
    settings.renew_every = milliseconds(2);
    settings.ensure = {milliseconds(1), milliseconds(4), std::chrono::hours(1)};
  }
  void start() {
    lease = std::make_unique<NodeLease>(
        NodeLease::Dependencies{loop, clock, server, [this] { return uid; }, [] { return 0.5; }}, settings);
    lease->start();
  }
  bool renewed(uint64_t times) {
    return runUntil([&] { return lease->stats().renewals >= times; });
  }
};

TEST_F(NodeLeaseTest, IsMadeAndRenewed) {
  start();
  ASSERT_TRUE(renewed(1));
  const json::value first = server.objects.at(kPath).at("spec").at("renewTime");
  clock.advance(std::chrono::seconds(10));
  ASSERT_TRUE(renewed(3));
  EXPECT_NE(server.objects.at(kPath).at("spec").at("renewTime"), first);
  EXPECT_EQ(server.count("POST"), 1u);
  EXPECT_EQ(server.count("GET"), 1u);
  EXPECT_EQ(lease->stats().renewed, clock.wall());
  for (const auto& request : server.seen) EXPECT_TRUE(request.heartbeat);
}

TEST_F(NodeLeaseTest, WaitsForTheNodeItBelongsTo) {
  uid.clear();
  start();
  ASSERT_TRUE(runUntil([&] { return server.count("GET") >= 3; }));
  EXPECT_EQ(server.count("POST"), 0u);
  uid = "uid-7";
  ASSERT_TRUE(renewed(1));
  EXPECT_EQ(server.objects.at(kPath).at("metadata").at("ownerReferences").at(0).at("uid"), "uid-7");
}

TEST_F(NodeLeaseTest, IsReadAgainAfterAConflict) {
  start();
  ASSERT_TRUE(renewed(1));
  server.touch(kPath);  // somebody else wrote it
  ASSERT_TRUE(renewed(3));
  EXPECT_EQ(server.count("POST"), 1u);
  EXPECT_EQ(lease->stats().last_error, "");
}

TEST_F(NodeLeaseTest, IsMadeAgainWhenItIsGone) {
  start();
  ASSERT_TRUE(renewed(1));
  server.objects.erase(kPath);
  ASSERT_TRUE(runUntil([&] { return server.objects.contains(kPath); }));
}

TEST_F(NodeLeaseTest, OutlivesAnOutage) {
  start();
  ASSERT_TRUE(renewed(1));
  for (int i = 0; i < 12; ++i) {
    server.fail["PUT"].push_back(makeError(Code::kUnavailable, "connection refused"));
    server.fail["GET"].push_back(makeError(Code::kUnavailable, "connection refused"));
  }
  ASSERT_TRUE(runUntil([&] { return server.fail["PUT"].empty(); }));
  EXPECT_TRUE(renewed(lease->stats().renewals + 1));
}

}  // namespace
}  // namespace keelson::kubelet::node
