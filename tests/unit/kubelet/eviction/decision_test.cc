#include "kubelet/eviction/decision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kubelet/eviction/reclaim.h"
#include "tests/unit/kubelet/eviction/eviction_values.h"

namespace keelson::kubelet::eviction {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

Eviction evicted(const PodSketch& sketch, const Threshold& one, const Observation& observation) {
  return pressureEviction(candidate(sketch), one, {one}, {{one.signal, observation}}, 0);
}

TEST(EvictionMessage, OfMemoryIsTheOneUsersKnow) {
  const Eviction eviction =
      evicted({.memory_usage = "5Mi"}, threshold(Signal::kMemoryAvailable, "100Mi"), seen("54Mi"));
  EXPECT_EQ(
      eviction.message,
      "The node was low on resource: memory. Threshold quantity: 100Mi, available: 54Mi. Container c was "
      "using 5Mi, request is 0, has larger consumption of memory. ");
  EXPECT_EQ(eviction.reason, "Evicted");
  EXPECT_EQ(eviction.signal, "memory.available");
  EXPECT_TRUE(eviction.disruption_target);
  EXPECT_EQ(eviction.uid.str(), "uid-p");
  EXPECT_THAT(eviction.annotations,
              UnorderedElementsAre(Pair("starved_resource", "memory"), Pair("offending_containers", "c"),
                                   Pair("offending_containers_usage", "5Mi")));
}

TEST(EvictionMessage, BlamesOnlyContainersBeyondTheirRequests) {
  const Eviction eviction = evicted({.memory_request = "5Mi", .memory_usage = "5Mi"},
                                    threshold(Signal::kMemoryAvailable, "100Mi"), seen("54Mi"));
  EXPECT_EQ(eviction.message,
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 54Mi. ");
  EXPECT_THAT(eviction.annotations,
              UnorderedElementsAre(Pair("starved_resource", "memory"), Pair("offending_containers", ""),
                                   Pair("offending_containers_usage", "")));
}

TEST(EvictionMessage, NamesEveryOffendingContainerAndSidecar) {
  api::Pod pod = podOf({.memory_request = "1Mi"});
  pod.spec.containers.emplace_back().name = "d";
  pod.spec.init_containers.emplace_back().name = "side";
  stats::PodStats figures = statsOf({.memory_usage = "3Mi"});
  for (const char* name : {"d", "side", "debugger"}) {
    figures.containers.push_back(figures.containers.front());
    figures.containers.back().name = name;
  }
  const Threshold one = threshold(Signal::kMemoryAvailable, "1Gi");
  const Eviction eviction = pressureEviction({std::make_shared<const api::Pod>(pod), figures}, one, {one},
                                             {{one.signal, seen("512Mi")}}, 0);
  EXPECT_EQ(eviction.message,
            "The node was low on resource: memory. Threshold quantity: 1Gi, available: 512Mi. "
            "Container c was using 3Mi, request is 1Mi, has larger consumption of memory. "
            "Container d was using 3Mi, request is 0, has larger consumption of memory. "
            "Container side was using 3Mi, request is 0, has larger consumption of memory. ");
  EXPECT_EQ(eviction.annotations.at("offending_containers"), "c,d,side");
  EXPECT_EQ(eviction.annotations.at("offending_containers_usage"), "3Mi,3Mi,3Mi");
}

TEST(EvictionMessage, SpeaksOfThePodWhenItHasRequestsOfItsOwn) {
  api::Pod pod = podOf({.memory_request = "10Mi"});
  pod.spec.resources.emplace().requests["memory"] = amount("20Mi");
  const Threshold one = threshold(Signal::kMemoryAvailable, "1Gi");
  const Eviction eviction =
      pressureEviction({std::make_shared<const api::Pod>(pod), statsOf({.memory_usage = "5Mi"})}, one, {one},
                       {{one.signal, seen("512Mi")}}, 0);
  EXPECT_EQ(eviction.message,
            "The node was low on resource: memory. Threshold quantity: 1Gi, available: 512Mi. "
            "Pod p was using 5Mi, request is 20Mi, has larger consumption of memory. ");
  EXPECT_EQ(eviction.annotations.at("offending_pod"), "p");
  EXPECT_EQ(eviction.annotations.at("offending_pod_usage"), "5Mi");
}

TEST(EvictionMessage, OfDiskInodesAndPids) {
  const PodSketch sketch{.rootfs = 4096, .logs = 2048};
  EXPECT_EQ(evicted(sketch, threshold(Signal::kNodefsAvailable, "1Gi"), seen("512Mi")).message,
            "The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, available: 512Mi. "
            "Container c was using 6Ki, request is 0, has larger consumption of ephemeral-storage. ");
  EXPECT_EQ(evicted(sketch, threshold(Signal::kImagefsInodesFree, "5k"), seen("1k")).message,
            "The node was low on resource: inodes. Threshold quantity: 5k, available: 1k. ");
  EXPECT_EQ(evicted(sketch, threshold(Signal::kPidAvailable, "1k"), seen("999")).message,
            "The node was low on resource: pids. Threshold quantity: 1k, available: 999. ");
}

TEST(EvictionMessage, WithoutFiguresSaysWhatTheNodeLacks) {
  const Eviction eviction =
      evicted({.has_stats = false}, threshold(Signal::kMemoryAvailable, "100Mi"), seen("54Mi"));
  EXPECT_EQ(eviction.message,
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 54Mi. ");
  EXPECT_THAT(eviction.annotations, IsEmpty());
}

TEST(EvictionMessage, QuotesTheFirstThresholdOfTheResource) {
  const Threshold allocatable = threshold(Signal::kAllocatableMemoryAvailable, "200Mi");
  const Threshold node_wide = threshold(Signal::kMemoryAvailable, "100Mi");
  const Eviction eviction =
      pressureEviction(candidate({.has_stats = false}), node_wide, {allocatable, node_wide},
                       {{node_wide.signal, seen("54Mi")}, {allocatable.signal, seen("7Mi")}}, 0);
  EXPECT_EQ(eviction.message,
            "The node was low on resource: memory. Threshold quantity: 200Mi, available: 7Mi. ");
}

TEST(EvictionGrace, IsASecondForHardAndCappedForSoft) {
  struct Case {
    std::optional<int64_t> pod;
    int64_t cap;
    int soft;
  };
  const Threshold hard = threshold(Signal::kMemoryAvailable, "1");
  const Threshold soft = threshold(Signal::kMemoryAvailable, "1", std::chrono::seconds(30));
  for (const Case& each :
       {Case{30, 60, 30}, Case{30, 10, 10}, Case{30, 0, 1}, Case{0, 10, 1}, Case{30, -1, 30},
        Case{std::nullopt, 60, 30}, Case{std::nullopt, 5, 5}, Case{600, -1, 600}}) {
    api::Pod pod;
    pod.spec.termination_grace_period_seconds = each.pod;
    EXPECT_EQ(evictionGrace(pod, soft, each.cap), std::chrono::seconds(each.soft)) << each.cap;
    EXPECT_EQ(evictionGrace(pod, hard, each.cap), std::chrono::seconds(1));
  }
}

// ---- limits of local storage ----

api::PodPtr limitedPod(const std::string& dir_limit, const std::string& container_limit = "",
                       const std::string& second_limit = "") {
  api::Pod pod = podOf({});
  if (!dir_limit.empty()) pod.spec.volumes[0].empty_dir->size_limit = amount(dir_limit);
  pod.spec.containers.emplace_back().name = "d";
  if (!container_limit.empty()) {
    pod.spec.containers[0].resources.limits["ephemeral-storage"] = amount(container_limit);
  }
  if (!second_limit.empty())
    pod.spec.containers[1].resources.limits["ephemeral-storage"] = amount(second_limit);
  return std::make_shared<const api::Pod>(pod);
}

struct LimitCase {
  const char* name;
  api::PodPtr pod;
  PodSketch used;
  bool dedicated;
  const char* message;  // "": it may stay
  const char* signal;
};

TEST(LimitEviction, IsForTheFirstLimitBroken) {
  const LimitCase cases[] = {
      {"no limit", limitedPod(""), {.volume = 1LL << 40}, false, "", ""},
      {"emptyDir within", limitedPod("1Mi"), {.volume = 1 << 20}, false, "", ""},
      {"emptyDir beyond",
       limitedPod("1Mi"),
       {.volume = (1 << 20) + 1},
       false,
       "Usage of EmptyDir volume \"data\" exceeds the limit \"1Mi\". ",
       "emptydirfs.limit"},
      {"emptyDir limit zero is none", limitedPod("0"), {.volume = 1 << 20}, false, "", ""},
      {"emptyDir first",
       limitedPod("1Mi", "1Ki"),
       {.rootfs = 1 << 20, .volume = 1 << 21},
       false,
       "Usage of EmptyDir volume \"data\" exceeds the limit \"1Mi\". ",
       "emptydirfs.limit"},
      {"pod: one container's limit is that of all",
       limitedPod("", "1Mi"),
       {.volume = 1 << 21},
       false,
       "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ",
       "ephemeralpodfs.limit"},
      {"pod: the sum", limitedPod("", "1Mi", "3Mi"), {.volume = 1 << 21}, false, "", ""},
      {"pod: beyond the sum",
       limitedPod("", "1Mi", "3Mi"),
       {.volume = 1 << 23},
       false,
       "Pod ephemeral local storage usage exceeds the total limit of containers 4Mi. ",
       "ephemeralpodfs.limit"},
      {"container: layer and logs",
       limitedPod("", "1Mi", "9Mi"),
       {.rootfs = 1 << 19, .logs = (1 << 19) + 1},
       false,
       "Container c exceeded its local ephemeral storage limit \"1Mi\". ",
       "ephemeralcontainerfs.limit"},
      {"container: exactly",
       limitedPod("", "1Mi", "9Mi"),
       {.rootfs = 1 << 19, .logs = 1 << 19},
       false,
       "",
       ""},
      {"container: the layer lies elsewhere",
       limitedPod("", "1Mi", "9Mi"),
       {.rootfs = 1 << 21},
       true,
       "",
       ""},
      {"container: logs count everywhere",
       limitedPod("", "1Mi", "9Mi"),
       {.logs = 1 << 21},
       true,
       "Container c exceeded its local ephemeral storage limit \"1Mi\". ",
       "ephemeralcontainerfs.limit"},
  };
  for (const LimitCase& each : cases) {
    SCOPED_TRACE(each.name);
    const auto eviction = limitEviction(each.pod, statsOf(each.used), {each.dedicated, false});
    EXPECT_EQ(eviction ? eviction->message : "", each.message);
    if (!eviction) continue;
    EXPECT_EQ(eviction->signal, each.signal);
    EXPECT_EQ(eviction->grace, std::chrono::seconds(1));
    EXPECT_EQ(eviction->reason, "Evicted");
    EXPECT_FALSE(eviction->disruption_target);
    EXPECT_THAT(eviction->annotations, IsEmpty());
  }
}

TEST(LimitEviction, SparesCriticalPods) {
  api::Pod pod = *limitedPod("1Mi");
  pod.metadata.annotations["kubernetes.io/config.source"] = "file";
  EXPECT_FALSE(
      limitEviction(std::make_shared<const api::Pod>(pod), statsOf({.volume = 1 << 23}), {}).has_value());
}

TEST(LimitEviction, WithoutFiguresNothingIsBroken) {
  EXPECT_FALSE(limitEviction(limitedPod("1Mi", "1Mi"), stats::PodStats{}, {}).has_value());
}

TEST(HasDiskLimits, TellsWhatMustBeMeasured) {
  EXPECT_FALSE(hasDiskLimits(*limitedPod("")));
  EXPECT_FALSE(hasDiskLimits(*limitedPod("0")));
  EXPECT_TRUE(hasDiskLimits(*limitedPod("1Mi")));
  EXPECT_TRUE(hasDiskLimits(*limitedPod("", "1Mi")));
  EXPECT_TRUE(hasDiskLimits(*limitedPod("", "", "1Mi")));
  api::Pod memory = *limitedPod("1Mi");
  memory.spec.volumes[0].empty_dir->medium = "Memory";
  EXPECT_FALSE(hasDiskLimits(memory));
}

TEST(LimitEviction, CountsInitStepsAndSidecars) {
  api::Pod pod = *limitedPod("", "1Mi");
  pod.spec.init_containers.emplace_back().resources.limits["ephemeral-storage"] = amount("5Mi");
  const auto of = [](const api::Pod& each, int64_t used) {
    const auto eviction =
        limitEviction(std::make_shared<const api::Pod>(each), statsOf({.volume = used}), {});
    return eviction ? eviction->message : "";
  };
  EXPECT_EQ(of(pod, 4 << 20), "");
  EXPECT_EQ(of(pod, 6 << 20),
            "Pod ephemeral local storage usage exceeds the total limit of containers 5Mi. ");
  pod.spec.init_containers[0].restart_policy = "Always";
  EXPECT_EQ(of(pod, 6 << 20), "");
  EXPECT_EQ(of(pod, 7 << 20),
            "Pod ephemeral local storage usage exceeds the total limit of containers 6Mi. ");
}

// ---- admission ----

api::Pod podWithRequest(const std::string& request) {
  api::Pod pod;
  api::Container& container = pod.spec.containers.emplace_back();
  if (!request.empty()) container.resources.requests["memory"] = amount(request);
  return pod;
}

TEST(AdmitUnderPressure, RefusesByKindOfPressureAndPod) {
  const api::Pod effort = podWithRequest("");
  const api::Pod burst = podWithRequest("1Mi");
  api::Pod critical = podWithRequest("");
  critical.spec.priority = 2'000'001'000;
  for (int bits = 0; bits < 8; ++bits) {
    const node::NodePressure pressure{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0};
    SCOPED_TRACE(pressureText(pressure));
    EXPECT_EQ(admitUnderPressure(effort, pressure).admitted, bits == 0);
    EXPECT_EQ(admitUnderPressure(burst, pressure).admitted, bits <= 1);
    EXPECT_TRUE(admitUnderPressure(critical, pressure).admitted);
  }
}

TEST(AdmitUnderPressure, SaysWhichConditions) {
  const Admission refused = admitUnderPressure(podWithRequest(""), {true, false, false});
  EXPECT_EQ(refused.reason, "Evicted");
  EXPECT_EQ(refused.message, "Pod was rejected: The node had condition: [MemoryPressure]. ");
  EXPECT_EQ(admitUnderPressure(podWithRequest("1"), {true, true, false}).message,
            "Pod was rejected: The node had condition: [MemoryPressure DiskPressure]. ");
}

TEST(AdmitUnderPressure, ATolerationAdmitsBestEffortUnderMemoryPressureOnly) {
  struct Case {
    const char *key, *operator_, *value, *effect;
    bool admitted;
  };
  for (const Case& each :
       {Case{"node.kubernetes.io/memory-pressure", "Exists", "", "NoSchedule", true},
        Case{"node.kubernetes.io/memory-pressure", "Exists", "", "", true}, Case{"", "Exists", "", "", true},
        Case{"node.kubernetes.io/memory-pressure", "", "", "NoSchedule", true},
        Case{"node.kubernetes.io/memory-pressure", "Equal", "", "NoSchedule", true},
        Case{"node.kubernetes.io/memory-pressure", "Equal", "x", "NoSchedule", false},
        Case{"node.kubernetes.io/memory-pressure", "Exists", "", "NoExecute", false},
        Case{"node.kubernetes.io/disk-pressure", "Exists", "", "NoSchedule", false},
        Case{"", "Equal", "", "", false}}) {
    api::Pod pod = podWithRequest("");
    api::Toleration& toleration = pod.spec.tolerations.emplace_back();
    toleration.key = each.key;
    toleration.operator_ = each.operator_;
    toleration.value = each.value;
    toleration.effect = each.effect;
    SCOPED_TRACE(fmt::format("{} {} {}", each.key, each.operator_, each.effect));
    EXPECT_EQ(admitUnderPressure(pod, {true, false, false}).admitted, each.admitted);
    EXPECT_FALSE(admitUnderPressure(pod, {true, true, false}).admitted);
  }
}

// ---- images ----

TEST(ImagesHelp, WhereTheirDiskIsShort) {
  struct Case {
    Signal signal;
    bool one_disk, dedicated, split;
  };
  for (const Case& each :
       {Case{Signal::kMemoryAvailable, false, false, false},
        Case{Signal::kAllocatableMemoryAvailable, false, false, false},
        Case{Signal::kPidAvailable, false, false, false}, Case{Signal::kNodefsAvailable, true, false, false},
        Case{Signal::kNodefsInodesFree, true, false, false},
        Case{Signal::kImagefsAvailable, true, true, true}, Case{Signal::kImagefsInodesFree, true, true, true},
        Case{Signal::kContainerfsAvailable, true, true, false},
        Case{Signal::kContainerfsInodesFree, true, true, false}}) {
    SCOPED_TRACE(signalName(each.signal));
    EXPECT_EQ(imagesHelp(each.signal, {false, false}), each.one_disk);
    EXPECT_EQ(imagesHelp(each.signal, {true, false}), each.dedicated);
    EXPECT_EQ(imagesHelp(each.signal, {true, true}), each.split);
  }
}

TEST(PlanUnusedImages, AreThoseNobodyUses) {
  const auto image = [](const char* id) {
    auto out = std::make_shared<runtime::Image>();
    out->id = id;
    return out;
  };
  const Images images = {image("a"), image("b"), image("c")};
  EXPECT_THAT(planUnusedImages(images, {"b", "gone"}), ElementsAre("a", "c"));
  EXPECT_THAT(planUnusedImages(images, {"a", "b", "c"}), IsEmpty());
  EXPECT_THAT(planUnusedImages({}, {"b"}), IsEmpty());
}

}  // namespace
}  // namespace keelson::kubelet::eviction
