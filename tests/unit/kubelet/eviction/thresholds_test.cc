#include "kubelet/eviction/thresholds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/kubelet/eviction/eviction_values.h"

namespace keelson::kubelet::eviction {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Statements = ThresholdConfig::Statements;

const std::vector<const char*> kSignalNames = {
    "memory.available",   "nodefs.available",      "nodefs.inodesFree",      "imagefs.available",
    "imagefs.inodesFree", "containerfs.available", "containerfs.inodesFree", "allocatableMemory.available",
    "pid.available"};

ThresholdConfig hard(Statements statements) {
  ThresholdConfig config;
  config.hard = std::move(statements);
  config.enforce_node_allocatable.clear();
  return config;
}

// "signal<value +grace -reclaim"
std::string text(const Threshold& threshold) {
  const auto value = [](const ThresholdValue& each) {
    return each.quantity ? each.quantity->str() : fmt::format("{:.4g}%", each.percentage * 100);
  };
  std::string out = fmt::format("{}<{}", signalName(threshold.signal), value(threshold.value));
  if (!threshold.isHard()) out += " +" + formatDuration(threshold.grace);
  if (threshold.min_reclaim) out += " -" + value(*threshold.min_reclaim);
  return out;
}

std::vector<std::string> texts(const std::vector<Threshold>& thresholds) {
  std::vector<std::string> out;
  for (const Threshold& each : thresholds) out.push_back(text(each));
  return out;
}

std::vector<std::string> parsed(const ThresholdConfig& config) {
  const auto thresholds = parseThresholds(config);
  EXPECT_TRUE(thresholds.ok()) << thresholds.error().text;
  return thresholds.ok() ? texts(*thresholds) : std::vector<std::string>{};
}

TEST(Signals, HaveNamesBothWays) {
  for (const char* name : kSignalNames) {
    const auto signal = parseSignal(name);
    ASSERT_TRUE(signal.has_value()) << name;
    EXPECT_STREQ(signalName(*signal), name);
  }
  for (const char* name : {"", "memory", "memory.Available", "nodefs.inodesfree", "memory.available "}) {
    EXPECT_FALSE(parseSignal(name).has_value()) << name;
  }
}

TEST(Signals, SpeakOfResources) {
  EXPECT_STREQ(resourceOf(Signal::kMemoryAvailable), "memory");
  EXPECT_STREQ(resourceOf(Signal::kAllocatableMemoryAvailable), "memory");
  EXPECT_STREQ(resourceOf(Signal::kNodefsAvailable), "ephemeral-storage");
  EXPECT_STREQ(resourceOf(Signal::kImagefsAvailable), "ephemeral-storage");
  EXPECT_STREQ(resourceOf(Signal::kContainerfsAvailable), "ephemeral-storage");
  EXPECT_STREQ(resourceOf(Signal::kNodefsInodesFree), "inodes");
  EXPECT_STREQ(resourceOf(Signal::kImagefsInodesFree), "inodes");
  EXPECT_STREQ(resourceOf(Signal::kContainerfsInodesFree), "inodes");
  EXPECT_STREQ(resourceOf(Signal::kPidAvailable), "pids");
}

TEST(ParseThresholds, WithoutConfigurationAreTheDefaults) {
  EXPECT_THAT(parsed({}), ElementsAre("imagefs.available<15%", "imagefs.inodesFree<5%",
                                      "memory.available<100Mi", "nodefs.available<10%",
                                      "nodefs.inodesFree<5%", "allocatableMemory.available<100Mi"));
}

TEST(ParseThresholds, AHardListReplacesTheDefaults) {
  EXPECT_THAT(parsed(hard({{"memory.available", "1Gi"}})), ElementsAre("memory.available<1Gi"));
  EXPECT_THAT(parsed(hard({})), IsEmpty());
}

TEST(ParseThresholds, MergingKeepsTheDefaultsThatAreNotGiven) {
  ThresholdConfig config = hard({{"memory.available", "1Gi"}, {"pid.available", "10%"}});
  config.merge_defaults = true;
  EXPECT_THAT(parsed(config),
              ElementsAre("imagefs.available<15%", "imagefs.inodesFree<5%", "memory.available<1Gi",
                          "nodefs.available<10%", "nodefs.inodesFree<5%", "pid.available<10%"));
}

TEST(ParseThresholds, AllocatableMemoryComesWithEnforcementOnPods) {
  ThresholdConfig config = hard({{"memory.available", "1Gi"}});
  config.soft = {{"memory.available", "2Gi"}};
  config.soft_grace_period = {{"memory.available", "30s"}};
  config.minimum_reclaim = {{"memory.available", "100Mi"}};
  config.enforce_node_allocatable = {"system-reserved", "pods"};
  EXPECT_THAT(parsed(config), ElementsAre("memory.available<1Gi -100Mi", "memory.available<2Gi +30s -100Mi",
                                          "allocatableMemory.available<1Gi -100Mi"));
  config.enforce_node_allocatable = {"none"};
  EXPECT_THAT(parsed(config), ElementsAre("memory.available<1Gi -100Mi", "memory.available<2Gi +30s -100Mi"));
}

TEST(ParseThresholds, EverySignalTakesAmountsAndShares) {
  for (const char* name : kSignalNames) {
    for (const char* value : {"1", "100Mi", "1500M", "1e9", "1%", "12.5%", "99%"}) {
      const auto thresholds = parseThresholds(hard({{name, value}}));
      ASSERT_TRUE(thresholds.ok()) << name << " " << value << " " << thresholds.error().text;
      ASSERT_EQ(thresholds->size(), 1u);
      EXPECT_EQ(thresholds->front().value.quantity.has_value(),
                std::string(value).find('%') == std::string::npos);
    }
    for (const char* value : {"0%", "100%"}) EXPECT_THAT(parsed(hard({{name, value}})), IsEmpty());
  }
}

struct Refused {
  Statements hard, soft, grace, reclaim;
  const char* why;
};

TEST(ParseThresholds, RefusesWithTheRealSentences) {
  const Refused cases[] = {
      {{{"memory.free", "1"}}, {}, {}, {}, "unsupported eviction signal memory.free"},
      {{{"memory.available", "-1Mi"}},
       {},
       {},
       {},
       "eviction threshold memory.available must be positive: -1Mi"},
      {{{"memory.available", "0"}}, {}, {}, {}, "eviction threshold memory.available must be positive: 0"},
      {{{"memory.available", "lots"}}, {}, {}, {}, "evictionHard: eviction threshold memory.available"},
      {{{"memory.available", ""}}, {}, {}, {}, "evictionHard: eviction threshold memory.available"},
      {{{"nodefs.available", "-5%"}},
       {},
       {},
       {},
       "eviction percentage threshold nodefs.available must be >= 0%: -5%"},
      {{{"nodefs.available", "101%"}},
       {},
       {},
       {},
       "eviction percentage threshold nodefs.available must be <= 100%: 101%"},
      {{{"nodefs.available", "x%"}}, {}, {}, {}, "strconv.ParseFloat: parsing \"x\": invalid syntax"},
      {{{"nodefs.available", "%"}}, {}, {}, {}, "strconv.ParseFloat: parsing \"\": invalid syntax"},
      {{{"nodefs.available", "1%1%"}}, {}, {}, {}, "invalid syntax"},
      {{{"nodefs.available", "nan%"}}, {}, {}, {}, "invalid syntax"},
      {{},
       {{"memory.available", "1Gi"}},
       {},
       {},
       "grace period must be specified for the soft eviction threshold memory.available"},
      {{},
       {{"memory.available", "1Gi"}},
       {{"nodefs.available", "1m"}},
       {},
       "grace period must be specified for the soft eviction threshold memory.available"},
      {{}, {{"cpu", "1Gi"}}, {}, {}, "evictionSoft: unsupported eviction signal cpu"},
      {{},
       {{"memory.available", "1Gi"}},
       {{"memory.available", "-1m"}},
       {},
       "invalid eviction grace period specified: -1m, must be a positive value"},
      {{}, {}, {{"cpu", "1m"}}, {}, "evictionSoftGracePeriod: unsupported eviction signal cpu"},
      {{}, {}, {{"memory.available", "soon"}}, {}, "eviction grace period of memory.available"},
      {{}, {}, {}, {{"cpu", "1"}}, "evictionMinimumReclaim: unsupported eviction signal cpu"},
      {{},
       {},
       {},
       {{"memory.available", "-1"}},
       "negative eviction minimum reclaim specified for memory.available"},
      {{},
       {},
       {},
       {{"memory.available", "0%"}},
       "eviction percentage minimum reclaim memory.available must be positive: 0%"},
      {{}, {}, {}, {{"memory.available", "much"}}, "eviction minimum reclaim memory.available"},
  };
  for (const Refused& each : cases) {
    SCOPED_TRACE(each.why);
    ThresholdConfig config = hard(each.hard);
    config.soft = each.soft;
    config.soft_grace_period = each.grace;
    config.minimum_reclaim = each.reclaim;
    const auto thresholds = parseThresholds(config);
    ASSERT_FALSE(thresholds.ok());
    EXPECT_EQ(thresholds.error().code, Code::kInvalidArgument);
    EXPECT_THAT(thresholds.error().text, HasSubstr(each.why));
  }
}

TEST(ParseThresholds, AMinimumReclaimOfZeroIsFine) {
  ThresholdConfig config = hard({{"memory.available", "1Gi"}});
  config.minimum_reclaim = {{"memory.available", "0Mi"}, {"imagefs.available", "10%"}};
  EXPECT_THAT(parsed(config), ElementsAre("memory.available<1Gi -0"));
}

TEST(ThresholdQuantity, KeepsAmountsAndCountsSharesOfTheCapacity) {
  EXPECT_EQ(thresholdQuantity({amount("100Mi"), 0}, amount("10Gi")).str(), "100Mi");
  struct Case {
    float share;
    const char* capacity;
    const char* quantity;
  };
  for (const Case& each :
       {Case{0.5F, "10Gi", "5Gi"}, Case{0.25F, "1000", "250"}, Case{0.1F, "100Gi", "10737418400"},
        Case{0.5F, "4096", "2Ki"}, Case{0.05F, "0", "0"}}) {
    EXPECT_EQ(thresholdQuantity({std::nullopt, each.share}, amount(each.capacity)).str(), each.quantity);
  }
}

TEST(WithContainerfs, IsThatOfTheDiskThatHoldsTheLayers) {
  const auto thresholds = parseThresholds({}).value();
  EXPECT_THAT(texts(withContainerfs(thresholds, false).thresholds),
              ElementsAre("imagefs.available<15%", "imagefs.inodesFree<5%", "memory.available<100Mi",
                          "nodefs.available<10%", "nodefs.inodesFree<5%", "allocatableMemory.available<100Mi",
                          "containerfs.available<10%", "containerfs.inodesFree<5%"));
  EXPECT_THAT(texts(withContainerfs(thresholds, true).thresholds),
              ElementsAre("imagefs.available<15%", "imagefs.inodesFree<5%", "memory.available<100Mi",
                          "nodefs.available<10%", "nodefs.inodesFree<5%", "allocatableMemory.available<100Mi",
                          "containerfs.available<15%", "containerfs.inodesFree<5%"));
}

TEST(WithContainerfs, LeavesOutWhatIsConfiguredAndSaysSo) {
  ThresholdConfig config = hard({{"containerfs.available", "1Gi"}, {"nodefs.available", "2Gi"}});
  config.soft = {{"containerfs.inodesFree", "5%"}, {"nodefs.available", "3Gi"}};
  config.soft_grace_period = {{"containerfs.inodesFree", "1m"}, {"nodefs.available", "1m"}};
  const auto derived = withContainerfs(parseThresholds(config).value(), false);
  EXPECT_THAT(texts(derived.thresholds),
              ElementsAre("nodefs.available<2Gi", "nodefs.available<3Gi +1m", "containerfs.available<2Gi",
                          "containerfs.available<3Gi +1m"));
  EXPECT_THAT(derived.ignored, ElementsAre("found containerfs.available for hard eviction. ignoring",
                                           "found containerfs.inodesFree for soft eviction. ignoring"));
}

TEST(HardEvictionReservation, IsOfMemoryAndNodefs) {
  ThresholdConfig config;
  config.soft = {{"memory.available", "5Gi"}};
  config.soft_grace_period = {{"memory.available", "1m"}};
  const api::ResourceList capacity = {
      {"cpu", amount("4")}, {"memory", amount("8Gi")}, {"ephemeral-storage", amount("1000Gi")}};
  const auto reserved = hardEvictionReservation(parseThresholds(config).value(), capacity);
  ASSERT_EQ(reserved.size(), 2u);
  EXPECT_EQ(reserved.at("memory").str(), "100Mi");
  EXPECT_EQ(reserved.at("ephemeral-storage").value(), static_cast<int64_t>(1000.0 * (1LL << 30) * 0.1F));
  EXPECT_TRUE(hardEvictionReservation(parseThresholds({}).value(), {}).empty());
}

}  // namespace
}  // namespace keelson::kubelet::eviction
