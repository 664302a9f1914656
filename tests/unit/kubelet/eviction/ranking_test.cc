#include "kubelet/eviction/ranking.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/kubelet/eviction/eviction_values.h"

namespace keelson::kubelet::eviction {
namespace {

using Names = std::vector<std::string>;

Names order(const std::vector<PodSketch>& sketches, Signal signal, const stats::DiskLayout& layout = {}) {
  std::vector<Candidate> candidates;
  for (const PodSketch& sketch : sketches) candidates.push_back(candidate(sketch));
  Names names;
  for (const Candidate& each : rankForEviction(std::move(candidates), signal, layout)) {
    names.push_back(each.pod->metadata.name);
  }
  return names;
}

const std::vector<Signal> kMemorySignals = {Signal::kMemoryAvailable, Signal::kAllocatableMemoryAvailable};
const std::vector<Signal> kDiskSignals = {Signal::kNodefsAvailable, Signal::kImagefsAvailable,
                                          Signal::kContainerfsAvailable};
const std::vector<Signal> kInodeSignals = {Signal::kNodefsInodesFree, Signal::kImagefsInodesFree,
                                           Signal::kContainerfsInodesFree};

struct MemoryCase {
  const char* name;
  std::vector<PodSketch> pods;
  Names order;
};

TEST(RankMemory, IsByExceedingThenPriorityThenUsageAboveRequest) {
  const MemoryCase cases[] = {
      {"none", {}, {}},
      {"by usage above the request",
       {{.name = "small", .memory_usage = "10Mi"}, {.name = "big", .memory_usage = "90Mi"}},
       {"big", "small"}},
      {"the request is taken off",
       {{.name = "over-a-bit", .memory_request = "90Mi", .memory_usage = "100Mi"},
        {.name = "over-much", .memory_request = "10Mi", .memory_usage = "50Mi"}},
       {"over-much", "over-a-bit"}},
      {"who exceeds goes before lower priorities that do not",
       {{.name = "within", .priority = -5, .memory_request = "1Gi", .memory_usage = "900Mi"},
        {.name = "exceeds", .priority = 1000, .memory_request = "1Mi", .memory_usage = "2Mi"}},
       {"exceeds", "within"}},
      {"priority goes before usage",
       {{.name = "dear", .priority = 10, .memory_usage = "1Gi"},
        {.name = "cheap", .priority = 1, .memory_usage = "1Mi"}},
       {"cheap", "dear"}},
      {"within requests: the fuller one",
       {{.name = "half", .memory_request = "100Mi", .memory_usage = "50Mi"},
        {.name = "nearly", .memory_request = "100Mi", .memory_usage = "99Mi"}},
       {"nearly", "half"}},
      {"as much as requested is not more",
       {{.name = "equal", .memory_request = "100Mi", .memory_usage = "100Mi"},
        {.name = "over", .priority = 5, .memory_request = "99Mi", .memory_usage = "100Mi"}},
       {"over", "equal"}},
      {"without figures first",
       {{.name = "big", .memory_usage = "9Gi"}, {.name = "unknown", .priority = 9, .has_stats = false}},
       {"unknown", "big"}},
      {"equal ones keep their order",
       {{.name = "a", .memory_usage = "1Mi"},
        {.name = "b", .memory_usage = "1Mi"},
        {.name = "c", .memory_usage = "1Mi"}},
       {"a", "b", "c"}},
      {"all three together",
       {{.name = "guaranteed", .memory_request = "1Gi", .memory_usage = "500Mi"},
        {.name = "burst-high", .priority = 100, .memory_request = "10Mi", .memory_usage = "500Mi"},
        {.name = "effort-low", .memory_usage = "5Mi"},
        {.name = "burst-low", .memory_request = "10Mi", .memory_usage = "500Mi"},
        {.name = "idle-low", .memory_request = "10Mi", .memory_usage = "1Mi"}},
       {"burst-low", "effort-low", "burst-high", "idle-low", "guaranteed"}},
  };
  for (const Signal signal : kMemorySignals) {
    for (const MemoryCase& each : cases) {
      EXPECT_EQ(order(each.pods, signal), each.order) << each.name << " by " << signalName(signal);
    }
  }
}

TEST(RankPids, IsByPriorityThenProcesses) {
  EXPECT_EQ(order({{.name = "dear-many", .priority = 5, .pids = 9000},
                   {.name = "few", .pids = 2},
                   {.name = "many", .pids = 800},
                   {.name = "cheap-few", .priority = -1, .pids = 1}},
                  Signal::kPidAvailable),
            (Names{"cheap-few", "many", "few", "dear-many"}));
  EXPECT_EQ(order({{.name = "many", .pids = 800},
                   {.name = "unknown", .has_stats = false},
                   {.name = "cheap", .priority = -1}},
                  Signal::kPidAvailable),
            (Names{"cheap", "unknown", "many"}));
}

TEST(RankDisk, CountsAllOnOneDisk) {
  const std::vector<PodSketch> pods = {{.name = "layer", .rootfs = 300'000},
                                       {.name = "logs", .logs = 400'000},
                                       {.name = "volume", .volume = 200'000},
                                       {.name = "asked", .storage_request = "1M", .volume = 900'000}};
  for (const Signal signal : kDiskSignals) {
    EXPECT_EQ(order(pods, signal), (Names{"logs", "layer", "volume", "asked"})) << signalName(signal);
  }
  // No pod asks for inodes.
  for (const Signal signal : kInodeSignals) {
    EXPECT_EQ(order(pods, signal), (Names{"asked", "logs", "layer", "volume"})) << signalName(signal);
  }
}

TEST(RankDisk, CountsWhatLiesOnTheDiskInQuestion) {
  const std::vector<PodSketch> pods = {{.name = "layer", .rootfs = 900'000, .logs = 1000},
                                       {.name = "logs", .rootfs = 2000, .logs = 500'000}};
  const stats::DiskLayout dedicated{true, false};
  EXPECT_EQ(order(pods, Signal::kNodefsAvailable, dedicated), (Names{"logs", "layer"}));
  EXPECT_EQ(order(pods, Signal::kNodefsInodesFree, dedicated), (Names{"logs", "layer"}));
  EXPECT_EQ(order(pods, Signal::kImagefsAvailable, dedicated), (Names{"layer", "logs"}));
  EXPECT_EQ(order(pods, Signal::kContainerfsAvailable, dedicated), (Names{"layer", "logs"}));
  const stats::DiskLayout split{true, true};
  EXPECT_EQ(order(pods, Signal::kNodefsAvailable, split), (Names{"layer", "logs"}));
  EXPECT_EQ(order(pods, Signal::kContainerfsInodesFree, split), (Names{"layer", "logs"}));
}

TEST(RankDisk, PriorityGoesBeforeUsage) {
  for (const Signal signal : kDiskSignals) {
    EXPECT_EQ(
        order({{.name = "dear", .priority = 7, .logs = 900'000}, {.name = "cheap", .logs = 1000}}, signal),
        (Names{"cheap", "dear"}));
  }
}

TEST(DiskParts, AreThoseOfTheDisk) {
  const DiskParts all{true, true, true};
  const DiskParts layers{true, false, false};
  const DiskParts rest{false, true, true};
  for (const auto* list : {&kDiskSignals, &kInodeSignals}) {
    const Signal nodefs = list->at(0);
    const Signal imagefs = list->at(1);
    const Signal containerfs = list->at(2);
    for (const Signal signal : *list) EXPECT_EQ(diskParts(signal, {false, false}), all);
    EXPECT_EQ(diskParts(nodefs, {true, false}), rest);
    EXPECT_EQ(diskParts(imagefs, {true, false}), layers);
    EXPECT_EQ(diskParts(containerfs, {true, false}), layers);
    EXPECT_EQ(diskParts(nodefs, {true, true}), all);
    EXPECT_EQ(diskParts(imagefs, {true, true}), DiskParts{});
    EXPECT_EQ(diskParts(containerfs, {true, true}), all);
  }
}

TEST(IsCritical, IsStaticMirrorOrSystemPriority) {
  api::Pod pod;
  EXPECT_FALSE(isCritical(pod));
  pod.spec.priority = 1'000'000'000;
  EXPECT_FALSE(isCritical(pod));
  pod.spec.priority = 1'999'999'999;
  EXPECT_FALSE(isCritical(pod));
  pod.spec.priority = 2'000'000'000;
  EXPECT_TRUE(isCritical(pod));
  pod.spec.priority.reset();
  pod.metadata.annotations["kubernetes.io/config.source"] = "api";
  EXPECT_FALSE(isCritical(pod));
  pod.metadata.annotations["kubernetes.io/config.source"] = "file";
  EXPECT_TRUE(isCritical(pod));
  pod.metadata.annotations = {{"kubernetes.io/config.mirror", "x"}};
  EXPECT_TRUE(isCritical(pod));
}

}  // namespace
}  // namespace keelson::kubelet::eviction
