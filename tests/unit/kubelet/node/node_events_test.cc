#include "kubelet/node/node_events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kubelet/node/node_object.h"
#include "tests/unit/kubelet/node/node_inputs.h"

namespace keelson::kubelet::node {
namespace {

const WallTime kNow = at("2026-01-01T10:00:00Z");

std::vector<std::string> reasons(const api::Node* before, const api::Node& after) {
  std::vector<std::string> out;
  for (const auto& event : nodeEvents(before, after)) out.push_back(event.reason);
  return out;
}

TEST(NodeEvents, OfANewNodeTellItsPressures) {
  EXPECT_THAT(
      reasons(nullptr, buildNode(exampleInput(), kNow)),
      testing::ElementsAre("NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID"));
}

TEST(NodeEvents, TellFlipsOnce) {
  const api::Node before = buildNode(exampleInput(), kNow);
  EXPECT_TRUE(nodeEvents(&before, before).empty());
  NodeInput input = exampleInput();
  input.pressure.memory = true;
  input.readiness.problems = {"x"};
  const api::Node after = updateNode(input, before, kNow);
  EXPECT_THAT(reasons(&before, after), testing::ElementsAre("NodeHasInsufficientMemory", "NodeNotReady"));
  EXPECT_THAT(reasons(&after, before), testing::ElementsAre("NodeHasSufficientMemory", "NodeReady"));
  EXPECT_EQ(nodeEvents(&after, before)[1],
            (NodeEvent{"Normal", "NodeReady", "Node node1 status is now: NodeReady"}));
}

TEST(NodeEvents, TellARebootAndACordon) {
  const api::Node before = buildNode(exampleInput(), kNow);
  api::Node after = before;
  after.status.node_info.boot_id = "boot-2";
  after.spec.unschedulable = true;
  EXPECT_THAT(nodeEvents(&before, after),
              testing::ElementsAre(
                  NodeEvent{"Warning", "Rebooted", "Node node1 has been rebooted, boot id: boot-2"},
                  NodeEvent{"Normal", "NodeNotSchedulable", "Node node1 status is now: NodeNotSchedulable"}));
}

}  // namespace
}  // namespace keelson::kubelet::node
