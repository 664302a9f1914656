#include "kubelet/eviction/pressure_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/kubelet/eviction/eviction_values.h"

namespace keelson::kubelet::eviction {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const std::vector<Signal> kAllSignals = {Signal::kMemoryAvailable,       Signal::kNodefsAvailable,
                                         Signal::kNodefsInodesFree,      Signal::kImagefsAvailable,
                                         Signal::kImagefsInodesFree,     Signal::kContainerfsAvailable,
                                         Signal::kContainerfsInodesFree, Signal::kAllocatableMemoryAvailable,
                                         Signal::kPidAvailable};

stats::NodeStats wholeNode() {
  stats::NodeStats node;
  node.at = WallTime{seconds(5)};
  node.meminfo.total = Bytes{1000};
  node.memory = kernel::CgroupMemory{.usage = Bytes{900}, .working_set = Bytes{600}};
  node.pods = kernel::CgroupMemory{.working_set = Bytes{500}, .limit = Bytes{800}};
  node.nodefs = kernel::FsCapacity{1, Bytes{100}, Bytes{10}, 50, 5};
  node.imagefs = kernel::FsCapacity{2, Bytes{200}, Bytes{20}, 60, 6};
  node.containerfs = kernel::FsCapacity{2, Bytes{300}, Bytes{30}, 70, 7};
  node.tasks = kernel::TaskCount{32768, 768};
  return node;
}

TEST(Observe, GivesEverySignal) {
  const Observations seen_now = observe(wholeNode());
  const std::map<Signal, std::pair<int64_t, int64_t>> expected = {
      {Signal::kMemoryAvailable, {400, 1000}},    {Signal::kAllocatableMemoryAvailable, {300, 800}},
      {Signal::kNodefsAvailable, {10, 100}},      {Signal::kNodefsInodesFree, {5, 50}},
      {Signal::kImagefsAvailable, {20, 200}},     {Signal::kImagefsInodesFree, {6, 60}},
      {Signal::kContainerfsAvailable, {30, 300}}, {Signal::kContainerfsInodesFree, {7, 70}},
      {Signal::kPidAvailable, {32000, 32768}},
  };
  ASSERT_EQ(seen_now.size(), expected.size());
  for (const auto& [signal, values] : expected) {
    SCOPED_TRACE(signalName(signal));
    EXPECT_EQ(seen_now.at(signal).available.value(), values.first);
    EXPECT_EQ(seen_now.at(signal).capacity.value(), values.second);
    EXPECT_EQ(seen_now.at(signal).at, WallTime{seconds(5)});
  }
}

TEST(Observe, WritesBytesInBinaryAndCountsInDecimal) {
  stats::NodeStats node = wholeNode();
  node.meminfo.total = Bytes{100LL << 20};
  node.memory->working_set = Bytes{46LL << 20};
  node.nodefs->inodes_free = 12000;
  const Observations now = observe(node);
  EXPECT_EQ(now.at(Signal::kMemoryAvailable).available.str(), "54Mi");
  EXPECT_EQ(now.at(Signal::kNodefsInodesFree).available.str(), "12k");
  EXPECT_EQ(now.at(Signal::kPidAvailable).available.str(), "32k");
}

TEST(Observe, WhatIsMissingHasNoSignal) {
  EXPECT_TRUE(observe(stats::NodeStats{}).empty());
  stats::NodeStats node = wholeNode();
  node.pods->limit.reset();
  node.nodefs->inodes = 0;
  node.imagefs->capacity = Bytes{0};
  const Observations now = observe(node);
  EXPECT_EQ(now.count(Signal::kAllocatableMemoryAvailable), 0u);
  EXPECT_EQ(now.count(Signal::kNodefsInodesFree), 0u);
  EXPECT_EQ(now.count(Signal::kNodefsAvailable), 1u);
  EXPECT_EQ(now.count(Signal::kImagefsAvailable), 0u);
}

TEST(Observe, NothingIsLessThanZero) {
  stats::NodeStats node = wholeNode();
  node.memory->working_set = Bytes{2000};
  node.pods->working_set = Bytes{2000};
  node.tasks->running = 40000;
  const Observations now = observe(node);
  EXPECT_EQ(now.at(Signal::kMemoryAvailable).available.value(), 0);
  EXPECT_EQ(now.at(Signal::kAllocatableMemoryAvailable).available.value(), 0);
  EXPECT_EQ(now.at(Signal::kPidAvailable).available.value(), 0);
}

TEST(ThresholdsMet, WhenLessIsAvailableThanTheySay) {
  struct Case {
    const char* available;
    const char* value;
    const char* reclaim;
    bool met, met_with_reclaim;
  };
  const Case cases[] = {{"100Mi", "100Mi", "", false, false},
                        {"99Mi", "100Mi", "", true, true},
                        {"101Mi", "100Mi", "", false, false},
                        {"100Mi", "100Mi", "1Mi", false, true},
                        {"149Mi", "100Mi", "50Mi", false, true},
                        {"150Mi", "100Mi", "50Mi", false, false},
                        {"0", "1", "", true, true}};
  for (const Signal signal : kAllSignals) {
    for (const Case& each : cases) {
      SCOPED_TRACE(fmt::format("{} {} {} {}", signalName(signal), each.available, each.value, each.reclaim));
      Threshold one = threshold(signal, each.value);
      if (*each.reclaim != '\0') one.min_reclaim = ThresholdValue{amount(each.reclaim), 0};
      const Observations now = {{signal, seen(each.available)}};
      EXPECT_EQ(thresholdsMet({one}, now, Reclaimed::kIgnore).size(), each.met ? 1u : 0u);
      EXPECT_EQ(thresholdsMet({one}, now, Reclaimed::kEnforce).size(), each.met_with_reclaim ? 1u : 0u);
      EXPECT_TRUE(thresholdsMet({one}, {}, Reclaimed::kIgnore).empty());
    }
  }
}

TEST(ThresholdsMet, SharesAreOfTheObservedCapacity) {
  Threshold tenth;
  tenth.signal = Signal::kNodefsAvailable;
  tenth.value.percentage = 0.1F;
  tenth.min_reclaim = ThresholdValue{std::nullopt, 0.1F};
  const auto met = [&](const char* available, Reclaimed reclaim) {
    return !thresholdsMet({tenth}, {{tenth.signal, seen(available, "100Gi")}}, reclaim).empty();
  };
  EXPECT_TRUE(met("9Gi", Reclaimed::kIgnore));
  EXPECT_FALSE(met("11Gi", Reclaimed::kIgnore));
  EXPECT_TRUE(met("19Gi", Reclaimed::kEnforce));
  EXPECT_FALSE(met("21Gi", Reclaimed::kEnforce));
}

TEST(PressureOf, MapsSignalsToConditions) {
  for (const Signal signal : kAllSignals) {
    const node::NodePressure pressure = pressureOf({threshold(signal, "1")});
    const bool memory = signal == Signal::kMemoryAvailable || signal == Signal::kAllocatableMemoryAvailable;
    const bool pid = signal == Signal::kPidAvailable;
    EXPECT_EQ(pressure.memory, memory) << signalName(signal);
    EXPECT_EQ(pressure.pid, pid) << signalName(signal);
    EXPECT_EQ(pressure.disk, !memory && !pid) << signalName(signal);
  }
  EXPECT_EQ(pressureOf({}), node::NodePressure{});
}

TEST(PressureText, IsAListInOneOrder) {
  EXPECT_EQ(pressureText({}), "[]");
  EXPECT_EQ(pressureText({true, false, false}), "[MemoryPressure]");
  EXPECT_EQ(pressureText({true, true, true}), "[MemoryPressure DiskPressure PIDPressure]");
  EXPECT_EQ(pressureText({false, false, true}), "[PIDPressure]");
}

// Rounds in a row, ten seconds apart unless told otherwise.
class EvaluateTest : public ::testing::Test {
 protected:
  Evaluation round(const Observations& observations, Duration later = seconds(10)) {
    now_ += later;
    Observations dated = observations;
    for (auto& [signal, each] : dated) each.at = WallTime{now_.time_since_epoch()};
    Evaluation out = evaluate(state_, thresholds_, dated, minutes(5), now_);
    state_ = out.state;
    return out;
  }
  Evaluation memory(const char* available, Duration later = seconds(10)) {
    return round({{Signal::kMemoryAvailable, seen(available)}}, later);
  }
  std::vector<Threshold> thresholds_ = {threshold(Signal::kMemoryAvailable, "100Mi")};
  PressureState state_;
  SteadyTime now_{std::chrono::hours(1)};
};

TEST_F(EvaluateTest, AHardThresholdActsAtOnce) {
  EXPECT_TRUE(memory("200Mi").to_act.empty());
  EXPECT_FALSE(state_.pressure.memory);
  EXPECT_EQ(memory("50Mi").to_act.size(), 1u);
  EXPECT_TRUE(state_.pressure.memory);
}

TEST_F(EvaluateTest, ASoftThresholdActsAfterItsGracePeriodWithoutABreak) {
  thresholds_ = {threshold(Signal::kMemoryAvailable, "100Mi", seconds(30))};
  EXPECT_TRUE(memory("50Mi").to_act.empty());
  EXPECT_TRUE(state_.pressure.memory);  // the condition does not wait
  EXPECT_TRUE(memory("50Mi").to_act.empty());
  EXPECT_TRUE(memory("200Mi").to_act.empty());  // a break
  EXPECT_TRUE(memory("50Mi").to_act.empty());
  EXPECT_TRUE(memory("50Mi").to_act.empty());
  EXPECT_TRUE(memory("50Mi").to_act.empty());
  EXPECT_EQ(memory("50Mi").to_act.size(), 1u);
}

TEST_F(EvaluateTest, TheMinimumReclaimKeepsItMet) {
  thresholds_[0].min_reclaim = ThresholdValue{amount("100Mi"), 0};
  EXPECT_TRUE(memory("150Mi").to_act.empty());
  EXPECT_EQ(memory("90Mi").to_act.size(), 1u);
  EXPECT_EQ(memory("150Mi").to_act.size(), 1u);
  EXPECT_TRUE(memory("200Mi").to_act.empty());
  EXPECT_TRUE(memory("150Mi").to_act.empty());
}

TEST_F(EvaluateTest, AConditionStaysForTheTransitionPeriod) {
  memory("50Mi");
  EXPECT_TRUE(memory("200Mi").state.pressure.memory);
  EXPECT_TRUE(memory("200Mi", minutes(4)).state.pressure.memory);
  EXPECT_FALSE(memory("200Mi", minutes(1)).state.pressure.memory);
  EXPECT_FALSE(memory("200Mi").state.pressure.memory);
}

TEST_F(EvaluateTest, ANewObservationRenewsTheCondition) {
  memory("50Mi");
  memory("50Mi", minutes(4));
  EXPECT_TRUE(memory("200Mi", minutes(4)).state.pressure.memory);
  EXPECT_FALSE(memory("200Mi", minutes(1)).state.pressure.memory);
}

TEST_F(EvaluateTest, ConditionsAreKeptApart) {
  thresholds_.push_back(threshold(Signal::kNodefsAvailable, "1Gi"));
  thresholds_.push_back(threshold(Signal::kPidAvailable, "100"));
  const auto all = [&](const char* memory_left, const char* disk_left, const char* pids_left,
                       Duration later) {
    return round({{Signal::kMemoryAvailable, seen(memory_left)},
                  {Signal::kNodefsAvailable, seen(disk_left)},
                  {Signal::kPidAvailable, seen(pids_left, "32768")}},
                 later)
        .state.pressure;
  };
  EXPECT_EQ(all("1Gi", "512Mi", "5000", seconds(10)), (node::NodePressure{false, true, false}));
  EXPECT_EQ(all("50Mi", "2Gi", "5000", minutes(3)), (node::NodePressure{true, true, false}));
  EXPECT_EQ(all("1Gi", "2Gi", "50", minutes(3)), (node::NodePressure{true, false, true}));
  EXPECT_EQ(all("1Gi", "2Gi", "5000", minutes(3)), (node::NodePressure{false, false, true}));
}

TEST_F(EvaluateTest, MemoryIsActedOnFirst) {
  thresholds_ = {threshold(Signal::kNodefsAvailable, "1Gi"), threshold(Signal::kPidAvailable, "100"),
                 threshold(Signal::kMemoryAvailable, "100Mi")};
  const auto to_act = round({{Signal::kMemoryAvailable, seen("1Mi")},
                             {Signal::kNodefsAvailable, seen("1Mi")},
                             {Signal::kPidAvailable, seen("1")}})
                          .to_act;
  ASSERT_EQ(to_act.size(), 3u);
  EXPECT_EQ(to_act[0].signal, Signal::kMemoryAvailable);
  EXPECT_EQ(to_act[1].signal, Signal::kNodefsAvailable);
  EXPECT_EQ(to_act[2].signal, Signal::kPidAvailable);
}

TEST_F(EvaluateTest, OldFiguresAreNotActedOnTwice) {
  EXPECT_EQ(memory("50Mi").to_act.size(), 1u);
  const Evaluation same = evaluate(state_, thresholds_, state_.observations, minutes(5), now_ + seconds(10));
  EXPECT_TRUE(same.to_act.empty());
  EXPECT_TRUE(same.state.pressure.memory);
}

TEST_F(EvaluateTest, ASignalThatCannotBeReadIsNotMet) {
  memory("50Mi");
  const Evaluation blind = round({});
  EXPECT_TRUE(blind.to_act.empty());
  EXPECT_TRUE(blind.state.met.empty());
  EXPECT_TRUE(blind.state.pressure.memory);  // until the transition period is over
}

TEST(IsNearMemoryThreshold, FromTwiceItsAmount) {
  const std::vector<Threshold> both = {threshold(Signal::kMemoryAvailable, "100Mi"),
                                       threshold(Signal::kNodefsAvailable, "1Gi")};
  EXPECT_TRUE(isNearMemoryThreshold(both, {{Signal::kMemoryAvailable, seen("199Mi")}}));
  EXPECT_FALSE(isNearMemoryThreshold(both, {{Signal::kMemoryAvailable, seen("200Mi")}}));
  EXPECT_FALSE(isNearMemoryThreshold(both, {{Signal::kNodefsAvailable, seen("1Mi")}}));
  EXPECT_FALSE(isNearMemoryThreshold({}, {{Signal::kMemoryAvailable, seen("1")}}));
}

}  // namespace
}  // namespace keelson::kubelet::eviction
