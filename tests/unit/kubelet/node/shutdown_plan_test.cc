#include "kubelet/node/shutdown_plan.h"

#include <gtest/gtest.h>

#include "kubelet/node/logind.h"

namespace keelson::kubelet::node {
namespace {

using std::chrono::seconds;

ShutdownPod pod(const char* uid, int32_t priority, int grace) {
  return {PodUid(uid), priority, seconds(grace)};
}

TEST(ShutdownPeriods, OfTheTwoSettingsSplitAtTheCriticalPriority) {
  const auto periods = shutdownPeriods({.grace_period = seconds(30), .critical_grace_period = seconds(10)});
  ASSERT_TRUE(periods);
  EXPECT_EQ(*periods,
            (std::vector<ShutdownPeriod>{{0, seconds(20)}, {kSystemCriticalPriority, seconds(10)}}));
  EXPECT_EQ(totalPeriod(*periods), seconds(30));
}

TEST(ShutdownPeriods, AreEmptyWhenTheFeatureIsOffAndRefuseContradictions) {
  EXPECT_TRUE(shutdownPeriods({})->empty());
  EXPECT_FALSE(shutdownPeriods({.grace_period = seconds(5), .critical_grace_period = seconds(10)}));
  EXPECT_FALSE(shutdownPeriods({.grace_period = seconds(5), .by_priority = {{0, seconds(1)}}}));
}

TEST(PlanShutdown, EndsLowPrioritiesFirstWithTheShorterGrace) {
  const auto periods =
      shutdownPeriods({.by_priority = {{100000, seconds(10)}, {0, seconds(20)}, {1000, seconds(15)}}});
  const auto groups = planShutdown({pod("below", -5, 30), pod("zero", 0, 5), pod("edge", 1000, 30),
                                    pod("between", 99999, 30), pod("top", 2000000000, 30)},
                                   *periods);
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[0].steps,
            (std::vector<ShutdownStep>{{PodUid("below"), seconds(20)}, {PodUid("zero"), seconds(5)}}));
  EXPECT_EQ(groups[1].steps,
            (std::vector<ShutdownStep>{{PodUid("edge"), seconds(15)}, {PodUid("between"), seconds(15)}}));
  EXPECT_EQ(groups[2].steps, (std::vector<ShutdownStep>{{PodUid("top"), seconds(10)}}));
}

TEST(PlanShutdown, LeavesOutGroupsWithoutPods) {
  const auto periods = shutdownPeriods({.grace_period = seconds(30), .critical_grace_period = seconds(10)});
  EXPECT_TRUE(planShutdown({}, *periods).empty());
  const auto groups = planShutdown({pod("critical", kSystemCriticalPriority + 1000, 60)}, *periods);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].priority, kSystemCriticalPriority);
}

TEST(InhibitDropIn, RoundsUpToSeconds) {
  EXPECT_EQ(renderInhibitDropIn(std::chrono::milliseconds(29500)),
            "# Kubelet logind override\n[Login]\nInhibitDelayMaxSec=30\n");
}

}  // namespace
}  // namespace keelson::kubelet::node
