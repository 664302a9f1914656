#include "runtime/cgroup_apply.h"

#include <gtest/gtest.h>

namespace keelson::runtime {
namespace {

TEST(CpuWeight, PodsAreLinearAndContainersFollowTheRuntimesCurve) {
  const struct {
    int64_t shares, linear, curve;
  } cases[] = {
      // The fixed points of RES-03, and values as opencontainers/cgroups gives them.
      {2, 1, 1},    {1024, 39, 100}, {262144, 10000, 10000}, {0, 1, 1}, {1'000'000, 10000, 10000},
      {102, 4, 17}, {512, 20, 59},   {2048, 79, 174},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(cpuWeight(c.shares, false), c.linear) << c.shares;
    EXPECT_EQ(cpuWeight(c.shares, true), c.curve) << c.shares;
  }
}

CgroupRequest fullRequest() {
  CgroupRequest request;
  request.path = "x";
  request.cpu_shares = 1024;
  request.container_weight = true;
  request.cpu_quota_us = 50000;
  request.memory_limit = Bytes{64 << 20};
  request.pids_limit = 10;
  request.oom_group = true;
  return request;
}

TEST(CgroupValues, OnV2AreTheUnifiedFiles) {
  const std::vector<CgroupValue> want = {
      {"cpu", "cpu.weight", "100"},
      {"cpu", "cpu.max", "50000 100000"},
      {"memory", "memory.max", "67108864"},
      {"memory", "memory.swap.max", "0", false},
      {"memory", "memory.oom.group", "1", false},
      {"pids", "pids.max", "10"},
  };
  EXPECT_EQ(cgroupValues(fullRequest(), kernel::CgroupMode::kV2), want);
}

TEST(CgroupValues, OnV1PutThePeriodBeforeTheQuota) {
  const std::vector<CgroupValue> want = {
      {"cpu", "cpu.shares", "1024"},        {"cpu", "cpu.cfs_period_us", "100000"},
      {"cpu", "cpu.cfs_quota_us", "50000"}, {"memory", "memory.limit_in_bytes", "67108864"},
      {"pids", "pids.max", "10"},
  };
  EXPECT_EQ(cgroupValues(fullRequest(), kernel::CgroupMode::kV1), want);
  EXPECT_EQ(cgroupValues(fullRequest(), kernel::CgroupMode::kHybrid), want);
}

TEST(CgroupValues, AbsentLimitsAreNotWritten) {
  const std::vector<CgroupValue> want = {{"cpu", "cpu.weight", "1"}};
  EXPECT_EQ(cgroupValues(CgroupRequest{}, kernel::CgroupMode::kV2), want);
}

}  // namespace
}  // namespace keelson::runtime
