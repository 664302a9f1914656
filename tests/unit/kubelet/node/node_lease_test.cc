#include "kubelet/node/node_lease.h"

#include <gtest/gtest.h>

#include "api/codec.h"

namespace keelson::kubelet::node {
namespace {

const WallTime kNow = parseTime("2026-01-01T10:00:00.123456789Z").value();

TEST(BuildLease, OfANewNodeNamesItsHolderAndItsOwner) {
  const api::Lease lease = buildLease(nullptr, {.node_name = "node1"}, "uid-1", kNow);
  EXPECT_EQ(json::serialize(api::encode(lease)),
            R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"node1",)"
            R"("namespace":"kube-node-lease","ownerReferences":[{"apiVersion":"v1","kind":"Node",)"
            R"("name":"node1","uid":"uid-1"}]},"spec":{"holderIdentity":"node1","leaseDurationSeconds":40,)"
            R"("renewTime":"2026-01-01T10:00:00.123456Z"}})");
}

TEST(BuildLease, KeepsWhatOthersWroteAndChangesItsOwnerWithTheNode) {
  api::Lease base = buildLease(nullptr, {.node_name = "node1"}, "uid-1", kNow);
  base.metadata.resource_version = "7";
  base.metadata.labels["x"] = "y";
  base.spec.lease_transitions = 3;
  const api::Lease next = buildLease(&base, {.node_name = "node1"}, "uid-2", kNow + std::chrono::seconds(10));
  EXPECT_EQ(next.metadata.resource_version, "7");
  EXPECT_EQ(next.metadata.labels, base.metadata.labels);
  EXPECT_EQ(next.spec.lease_transitions, 3);
  ASSERT_EQ(next.metadata.owner_references.size(), 1u);
  EXPECT_EQ(next.metadata.owner_references[0].uid, "uid-2");
  const auto back = api::decode<api::Lease>(api::encode(next));
  ASSERT_TRUE(back) << back.error().text;
  EXPECT_TRUE(back->warnings.empty());
}

}  // namespace
}  // namespace keelson::kubelet::node
