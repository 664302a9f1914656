#include "agent/eviction_settings.h"

#include <gtest/gtest.h>

#include "agent/feature_gates.h"
#include "agent/kubelet_configuration.h"

namespace keelson::agent {
namespace {

TEST(EvictionSettings, ThresholdsAreQuantitiesOrShares) {
  KubeletConfiguration configuration;
  configuration.eviction_hard = {
      {"memory.available", "100Mi"}, {"nodefs.available", "10%"}, {"pid.available", "0%"}};
  configuration.eviction_soft = {{"memory.available", "1Gi"}};
  configuration.eviction_soft_grace_period = {{"memory.available", "1m30s"}};
  configuration.eviction_minimum_reclaim = {{"nodefs.available", "5%"}};
  const auto thresholds = parseEvictionThresholds(configuration);
  ASSERT_TRUE(thresholds) << thresholds.error().text;
  ASSERT_EQ(thresholds->size(), 3u) << "0% is off";
  const auto& hard = (*thresholds)[0];
  EXPECT_EQ(hard.signal, "memory.available");
  EXPECT_EQ(hard.value.quantity->value(), 100 << 20);
  EXPECT_EQ(hard.grace, Duration{0});
  EXPECT_TRUE(hard.min_reclaim.quantity->isZero());
  EXPECT_DOUBLE_EQ((*thresholds)[1].value.share, 0.1);
  EXPECT_DOUBLE_EQ((*thresholds)[1].min_reclaim.share, 0.05);
  EXPECT_EQ((*thresholds)[2].grace, std::chrono::seconds(90));
}

TEST(EvictionSettings, ReservationsNameKnownResources) {
  const auto reserved =
      parseReserved({{"cpu", "500m"}, {"memory", "1Gi"}, {"ephemeral-storage", "1Gi"}, {"pid", "100"}});
  ASSERT_TRUE(reserved) << reserved.error().text;
  EXPECT_EQ(reserved->at("cpu").milliValue(), 500);
  EXPECT_FALSE(parseReserved({{"gpu", "1"}}));
  EXPECT_FALSE(parseReserved({{"cpu", "lots"}}));
}

TEST(EvictionSettings, CpuSetsAreRanges) {
  EXPECT_EQ(parseCpuSet("0-2,8,1").value(), (std::vector<uint32_t>{0, 1, 2, 8}));
  EXPECT_TRUE(parseCpuSet("")->empty());
  for (const char* bad : {"a", "3-1", "1-", "0-99999", "1,,2", "-1"}) EXPECT_FALSE(parseCpuSet(bad)) << bad;
}

TEST(FeatureGates, DefaultsGroupsAndLocks) {
  EXPECT_TRUE(featureEnabled({}, "ContainerCheckpoint"));
  EXPECT_FALSE(featureEnabled({}, "EventedPLEG"));
  EXPECT_TRUE(featureEnabled({{"AllAlpha", true}}, "EventedPLEG"));
  EXPECT_FALSE(featureEnabled({{"AllAlpha", true}, {"EventedPLEG", false}}, "EventedPLEG"));
  EXPECT_TRUE(checkFeatureGate("JobManagedBy", true)) << "gates of the control plane are known";
  EXPECT_TRUE(checkFeatureGate("ImageVolume", true));
  EXPECT_FALSE(checkFeatureGate("ImageVolume", false));
}

}  // namespace
}  // namespace keelson::agent
