#include "kubelet/node/start_checks.h"

#include <gtest/gtest.h>

namespace keelson::kubelet::node {
namespace {

TEST(PlanStart, RefusesSwapAndCgroupV1UnlessTold) {
  const StartFacts facts{.swap_on = true, .cgroup_v1 = true};
  EXPECT_EQ(planStart({}, facts).problems.size(), 2u);
  const StartPlan plan = planStart({.fail_swap_on = false, .fail_cgroup_v1 = false}, facts);
  EXPECT_TRUE(plan.problems.empty());
  ASSERT_EQ(plan.events.size(), 1u);
  EXPECT_EQ(plan.events[0].reason, "CgroupV1");
  EXPECT_EQ(plan.events[0].type, "Warning");
}

TEST(PlanStart, SetsSysctlsOrRefusesThemWhenTheyAreProtected) {
  const StartFacts facts{.sysctls = {{"vm.overcommit_memory", "0"}, {"kernel.panic", "10"}}};
  const StartPlan plan = planStart({}, facts);
  EXPECT_TRUE(plan.problems.empty());
  EXPECT_EQ(plan.set_sysctls, (std::map<std::string, std::string>{{"vm.overcommit_memory", "1"}}));
  const StartPlan strict = planStart({.protect_kernel_defaults = true}, facts);
  ASSERT_EQ(strict.problems.size(), 1u);
  EXPECT_EQ(strict.problems[0],
            "invalid kernel flag: vm.overcommit_memory, expected value: 1, actual value: 0");
  EXPECT_TRUE(strict.set_sysctls.empty());
}

}  // namespace
}  // namespace keelson::kubelet::node
