#include "kubelet/node/node_capacity.h"

#include <gtest/gtest.h>

#include "tests/unit/kubelet/node/node_inputs.h"

namespace keelson::kubelet::node {
namespace {

api::Quantity quantity(const char* text) { return api::Quantity::parse(text).value(); }

TEST(BuildCapacity, CountsCoresMemoryPodsAndStorage) {
  const auto capacity = buildCapacity(exampleInput());
  EXPECT_EQ(capacity.at("cpu").str(), "4");
  EXPECT_EQ(capacity.at("memory").str(), "8Gi");
  EXPECT_EQ(capacity.at("pods").str(), "110");
  EXPECT_EQ(capacity.at("ephemeral-storage").str(), "100Gi");
}

TEST(BuildCapacity, PodsPerCoreCountsOnlyBelowMaxPods) {
  NodeInput input = exampleInput();
  input.settings.pods_per_core = 10;
  EXPECT_EQ(buildCapacity(input).at("pods").value(), 40);
  input.settings.pods_per_core = 100;
  EXPECT_EQ(buildCapacity(input).at("pods").value(), 110);
}

TEST(BuildAllocatable, IsCapacityLessReservationsAndThresholds) {
  NodeInput input = exampleInput();
  input.settings.kube_reserved = {{"cpu", quantity("100m")}, {"memory", quantity("1Gi")}};
  input.settings.system_reserved = {{"cpu", quantity("200m")}, {"ephemeral-storage", quantity("10Gi")}};
  input.settings.memory_available = Threshold{quantity("100Mi"), 0};
  input.settings.nodefs_available = Threshold{{}, 0.10};
  const auto allocatable = buildAllocatable(buildCapacity(input), input.settings);
  EXPECT_EQ(allocatable.at("cpu").str(), "3700m");
  EXPECT_EQ(allocatable.at("memory").value(), (int64_t{7} << 30) - (100 << 20));
  EXPECT_EQ(allocatable.at("ephemeral-storage").value(), int64_t{80} << 30);
  EXPECT_EQ(allocatable.at("pods").value(), 110);
}

TEST(BuildAllocatable, NeverIsBelowNothing) {
  NodeInput input = exampleInput();
  input.settings.kube_reserved = {{"cpu", quantity("100")}, {"memory", quantity("1Ti")}};
  const auto allocatable = buildAllocatable(buildCapacity(input), input.settings);
  EXPECT_TRUE(allocatable.at("cpu").isZero());
  EXPECT_TRUE(allocatable.at("memory").isZero());
}

TEST(BuildAllocatable, TakesHugepagesOutOfMemory) {
  NodeInput input = exampleInput();
  input.facts.hugepages[1 << 30] = Bytes{int64_t{2} << 30};
  const auto capacity = buildCapacity(input);
  EXPECT_EQ(capacity.at("hugepages-1Gi").str(), "2Gi");
  EXPECT_EQ(buildAllocatable(capacity, input.settings).at("memory").str(), "6Gi");
}

TEST(KubepodsLimits, LeaveOutReservationsButNotThresholds) {
  NodeInput input = exampleInput();
  input.settings.system_reserved = {
      {"cpu", quantity("1")}, {"memory", quantity("1Gi")}, {"pid", quantity("1000")}};
  input.settings.memory_available = Threshold{quantity("100Mi"), 0};
  const auto limits = kubepodsLimits(input, Enforce::kPods);
  EXPECT_EQ(limits.cpu.value, 3000);
  EXPECT_EQ(limits.memory.value, int64_t{7} << 30);
  EXPECT_EQ(limits.pids, 31768);
  const auto free = kubepodsLimits(input, Enforce::kNothing);
  EXPECT_EQ(free.cpu.value, 4000);
  EXPECT_EQ(free.memory.value, int64_t{8} << 30);
}

TEST(KubepodsLimits, StandInTheRequestOfTheirCgroup) {
  NodeInput input = exampleInput();
  input.settings.system_reserved = {{"cpu", quantity("1500m")}};
  const auto request = withLimits({.path = "kubepods"}, kubepodsLimits(input, Enforce::kPods));
  EXPECT_EQ(request.path, "kubepods");
  EXPECT_EQ(request.cpu_shares, 2560);
  EXPECT_EQ(request.memory_limit, Bytes{int64_t{8} << 30});
  EXPECT_EQ(request.pids_limit, 32768);
}

TEST(IsExtendedResource, IsOneOfAnotherDomain) {
  EXPECT_TRUE(isExtendedResource("example.com/gpu"));
  EXPECT_FALSE(isExtendedResource("cpu"));
  EXPECT_FALSE(isExtendedResource("hugepages-2Mi"));
  EXPECT_FALSE(isExtendedResource("kubernetes.io/batch"));
}

}  // namespace
}  // namespace keelson::kubelet::node
