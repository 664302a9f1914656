#include "kubelet/node/node_conditions.h"

#include <gtest/gtest.h>

#include "tests/unit/kubelet/node/node_inputs.h"

namespace keelson::kubelet::node {
namespace {

const WallTime kNow = at("2026-01-01T10:00:00Z");
const WallTime kLater = at("2026-01-01T10:00:10Z");
const api::ResourceList kWhole{{"cpu", {}}, {"memory", {}}, {"pods", {}}, {"ephemeral-storage", {}}};

TEST(BuildConditions, OfANewNodeStandInUpstreamsOrderWithReadyLast) {
  const auto conditions = buildConditions({}, {}, {}, kWhole, kNow);
  ASSERT_EQ(conditions.size(), 4u);
  EXPECT_EQ(conditions[0].type, "MemoryPressure");
  EXPECT_EQ(conditions[0].reason, "KubeletHasSufficientMemory");
  EXPECT_EQ(conditions[1].type, "DiskPressure");
  EXPECT_EQ(conditions[1].reason, "KubeletHasNoDiskPressure");
  EXPECT_EQ(conditions[2].type, "PIDPressure");
  EXPECT_EQ(conditions[2].reason, "KubeletHasSufficientPID");
  EXPECT_EQ(conditions[3].type, "Ready");
  EXPECT_EQ(conditions[3].status, "True");
  EXPECT_EQ(conditions[3].message, "kubelet is posting ready status");
}

TEST(BuildConditions, PressureHasItsReasonAndKeepsTheNodeReady) {
  const auto conditions = buildConditions({}, {true, true, true}, {}, kWhole, kNow);
  EXPECT_EQ(conditions[0].reason, "KubeletHasInsufficientMemory");
  EXPECT_EQ(conditions[1].reason, "KubeletHasDiskPressure");
  EXPECT_EQ(conditions[2].reason, "KubeletHasInsufficientPID");
  EXPECT_EQ(conditions[3].status, "True");
}

TEST(BuildConditions, TransitionTimesMoveOnlyWithTheStatus) {
  const auto first = buildConditions({}, {}, {}, kWhole, kNow);
  const auto second = buildConditions(first, {true, false, false}, {}, kWhole, kLater);
  EXPECT_EQ(second[0].last_transition_time, kLater);
  EXPECT_EQ(second[1].last_transition_time, kNow);
  EXPECT_EQ(second[3].last_transition_time, kNow);
  for (const auto& condition : second) EXPECT_EQ(condition.last_heartbeat_time, kLater);
}

TEST(BuildConditions, ProblemsAreJoinedAsGoJoinsThem) {
  auto conditions = buildConditions({}, {}, {{"network is not ready"}}, kWhole, kNow);
  EXPECT_EQ(conditions[3].status, "False");
  EXPECT_EQ(conditions[3].reason, "KubeletNotReady");
  EXPECT_EQ(conditions[3].message, "network is not ready");
  conditions = buildConditions({}, {}, {{"a", "b", "a"}}, {{"cpu", {}}, {"pods", {}}}, kNow);
  EXPECT_EQ(conditions[3].message, "[a, b, missing node capacity for resources: memory, ephemeral-storage]");
}

TEST(BuildConditions, OfOthersStayWhereTheyAre) {
  std::vector<api::NodeCondition> before = buildConditions({}, {}, {}, kWhole, kNow);
  before.insert(before.begin(), {"NetworkUnavailable", "False", kNow, kNow, "", ""});
  const auto after = buildConditions(before, {}, {{"x"}}, kWhole, kLater);
  ASSERT_EQ(after.size(), 5u);
  EXPECT_EQ(after[0], before[0]);
  EXPECT_EQ(after[4].last_transition_time, kLater);
}

}  // namespace
}  // namespace keelson::kubelet::node
