#include "agent/reservations.h"

#include <gtest/gtest.h>

#include "agent/feature_gates.h"
#include "agent/kubelet_configuration.h"

namespace keelson::agent {
namespace {

TEST(Reservations, ReservationsNameKnownResources) {
  const auto reserved =
      parseReserved({{"cpu", "500m"}, {"memory", "1Gi"}, {"ephemeral-storage", "1Gi"}, {"pid", "100"}});
  ASSERT_TRUE(reserved) << reserved.error().text;
  EXPECT_EQ(reserved->at("cpu").milliValue(), 500);
  EXPECT_FALSE(parseReserved({{"gpu", "1"}}));
  EXPECT_FALSE(parseReserved({{"cpu", "lots"}}));
}

TEST(Reservations, CpuSetsAreRanges) {
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
