#include "kubelet/node/node_patch.h"

#include <gtest/gtest.h>

#include "kubelet/node/node_object.h"
#include "tests/unit/kubelet/node/node_inputs.h"

namespace keelson::kubelet::node {
namespace {

const WallTime kNow = at("2026-01-01T10:00:00Z");
const WallTime kLater = at("2026-01-01T10:00:10Z");

std::string text(const json::value& value) { return json::serialize(value); }

TEST(NodeStatusPatch, OfNothingIsEmpty) {
  const api::Node node = buildNode(exampleInput(), kNow);
  EXPECT_TRUE(nodeStatusPatch(node, node).empty());
}

TEST(NodeStatusPatch, HasOnlyTheHeartbeatsWhenNothingElseChanged) {
  const api::Node before = buildNode(exampleInput(), kNow);
  const api::Node after = updateNode(exampleInput(), before, kLater);
  EXPECT_EQ(text(nodeStatusPatch(before, after)),
            R"({"status":{"$setElementOrder/conditions":[{"type":"MemoryPressure"},{"type":"DiskPressure"},)"
            R"({"type":"PIDPressure"},{"type":"Ready"}],"conditions":[)"
            R"({"lastHeartbeatTime":"2026-01-01T10:00:10Z","type":"MemoryPressure"},)"
            R"({"lastHeartbeatTime":"2026-01-01T10:00:10Z","type":"DiskPressure"},)"
            R"({"lastHeartbeatTime":"2026-01-01T10:00:10Z","type":"PIDPressure"},)"
            R"({"lastHeartbeatTime":"2026-01-01T10:00:10Z","type":"Ready"}]}})");
}

TEST(NodeStatusPatch, ReplacesAddressesAsAWhole) {
  const api::Node before = buildNode(exampleInput(), kNow);
  api::Node after = before;
  after.status.addresses = {{"InternalIP", "192.0.2.10"}, {"InternalIP", "2001:db8::1"}};
  EXPECT_EQ(text(nodeStatusPatch(before, after)),
            R"({"status":{"addresses":[{"type":"InternalIP","address":"192.0.2.10"},)"
            R"({"type":"InternalIP","address":"2001:db8::1"},{"$patch":"replace"}]}})");
}

TEST(NodeStatusPatch, NeverTouchesTheSpec) {
  const api::Node before = buildNode(exampleInput(), kNow);
  api::Node after = before;
  after.spec.unschedulable = true;
  EXPECT_TRUE(nodeStatusPatch(before, after).empty());
}

TEST(NodeStatusPatch, SaysNullOfWhatIsGone) {
  api::Node before = buildNode(exampleInput(), kNow);
  before.status.capacity["example.com/gpu"] = api::Quantity::of(1);
  before.metadata.labels["old"] = "x";
  before.status.volumes_in_use = {"v"};
  api::Node after = before;
  after.status.capacity.erase("example.com/gpu");
  after.metadata.labels.erase("old");
  after.status.volumes_in_use.clear();
  after.status.conditions.pop_back();
  const json::object patch = nodeStatusPatch(before, after);
  EXPECT_TRUE(patch.at("metadata").at("labels").at("old").is_null());
  EXPECT_TRUE(patch.at("status").at("capacity").at("example.com/gpu").is_null());
  EXPECT_TRUE(patch.at("status").at("volumesInUse").is_null());
  EXPECT_EQ(text(patch.at("status").at("conditions")), R"([{"$patch":"delete","type":"Ready"}])");
}

TEST(NodeStatusPatch, TellsANewConditionWhole) {
  api::Node before = buildNode(exampleInput(), kNow);
  const api::Node after = before;
  before.status.conditions.pop_back();
  const json::object patch = nodeStatusPatch(before, after);
  const auto& conditions = patch.at("status").at("conditions").as_array();
  ASSERT_EQ(conditions.size(), 1u);
  EXPECT_EQ(conditions[0].at("reason"), "KubeletReady");
}

}  // namespace
}  // namespace keelson::kubelet::node
