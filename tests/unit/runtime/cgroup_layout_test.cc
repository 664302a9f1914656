#include "runtime/cgroup_layout.h"

#include <gtest/gtest.h>

#include "tests/unit/runtime/pod_fixture.h"

namespace keelson::runtime {
namespace {

constexpr Bytes kNodeMemory{int64_t{8} << 30};

TEST(QosClass, FollowsRequestsAndLimitsOfAllContainers) {
  const auto both = resourceList("1", "1Gi");
  struct Case {
    const char* what;
    api::Pod pod;
    QosClass qos;
  };
  const Case cases[] = {
      {"nothing asked", podOf({container("a")}), QosClass::kBestEffort},
      {"zero is nothing", podOf({container("a", resourceList("0", "0"))}), QosClass::kBestEffort},
      {"limits equal requests", podOf({container("a", both, both)}), QosClass::kGuaranteed},
      {"requests default to limits", podOf({container("a", {}, both)}), QosClass::kGuaranteed},
      {"equal in other words", podOf({container("a", resourceList("1000m", "1024Mi"), both)}),
       QosClass::kGuaranteed},
      {"request below limit", podOf({container("a", resourceList("500m", "1Gi"), both)}),
       QosClass::kBurstable},
      {"no memory limit", podOf({container("a", {}, resourceList("1", ""))}), QosClass::kBurstable},
      {"one container asks nothing", podOf({container("a", both, both), container("b")}),
       QosClass::kBurstable},
      {"requests only", podOf({container("a", both)}), QosClass::kBurstable},
      {"init container asks nothing", podOf({container("a", both, both)}, {container("i")}),
       QosClass::kBurstable},
      {"sidecar limited too", podOf({container("a", both, both)}, {sidecar("s", both, both)}),
       QosClass::kGuaranteed},
      {"only a sidecar asks", podOf({container("a")}, {sidecar("s", both)}), QosClass::kBurstable},
  };
  for (const auto& c : cases) EXPECT_EQ(qosClass(c.pod.spec), c.qos) << c.what;
}

TEST(QosClass, OtherResourcesDoNotCount) {
  api::Pod pod = podOf({container("a")});
  pod.spec.containers[0].resources.requests["ephemeral-storage"] = api::Quantity::of(1);
  EXPECT_EQ(qosClass(pod.spec), QosClass::kBestEffort);
}

TEST(QosClass, PodLevelResourcesReplaceThoseOfContainers) {
  api::Pod pod = podOf({container("a", resourceList("1", "1Gi"))});
  pod.spec.resources.emplace();
  pod.spec.resources->requests = pod.spec.resources->limits = resourceList("2", "2Gi");
  EXPECT_EQ(qosClass(pod.spec), QosClass::kGuaranteed);
  pod.spec.resources->requests = resourceList("1", "2Gi");
  EXPECT_EQ(qosClass(pod.spec), QosClass::kBurstable);
}

TEST(CgroupPaths, FollowTheQosTreeBelowTheRoot) {
  const PodUid uid("u1");
  const CgroupOptions top;
  CgroupOptions moved;
  moved.root = "node/x";
  EXPECT_EQ(podCgroupPath(top, uid, QosClass::kGuaranteed), "kubepods/podu1");
  EXPECT_EQ(podCgroupPath(top, uid, QosClass::kBurstable), "kubepods/burstable/podu1");
  EXPECT_EQ(podCgroupPath(moved, uid, QosClass::kBestEffort), "node/x/kubepods/besteffort/podu1");
  EXPECT_EQ(shimCgroupPath(top, uid), "keelson/shim/u1");
  EXPECT_EQ(shimCgroupPath(moved, uid), "node/x/keelson/shim/u1");
}

TEST(PodCgroup, SharesAreTheSumOfRequestsWithTheirBounds) {
  const struct {
    const char* cpu;
    int64_t shares;
  } cases[] = {{"1", 1024}, {"100m", 102}, {"1m", 2}, {"2m", 2}, {"0", 2}, {"256", 262144}, {"1000", 262144}};
  for (const auto& c : cases) {
    const auto pod = podOf({container("a", resourceList(c.cpu, "1Mi"))});
    EXPECT_EQ(podCgroup({}, pod).cpu_shares, c.shares) << c.cpu;
  }
  EXPECT_EQ(podCgroup({}, podOf({container("a", resourceList("500m", "")),
                                 container("b", resourceList("250m", ""))}))
                .cpu_shares,
            768);
}

TEST(PodCgroup, InitContainersCountAtTheirPeakAndSidecarsAlways) {
  const auto cpu = [](const char* amount) { return resourceList(amount, ""); };
  // init alone is higher than all apps
  EXPECT_EQ(podCgroup({}, podOf({container("a", cpu("1"))}, {container("i", cpu("2"))})).cpu_shares, 2048);
  // sidecars add to the apps
  EXPECT_EQ(podCgroup({}, podOf({container("a", cpu("1"))}, {sidecar("s", cpu("1"))})).cpu_shares, 2048);
  // an init container beside the sidecar before it
  EXPECT_EQ(
      podCgroup({}, podOf({container("a", cpu("1"))}, {sidecar("s", cpu("1")), container("i", cpu("2"))}))
          .cpu_shares,
      3072);
  // but not beside the sidecar after it
  EXPECT_EQ(
      podCgroup({}, podOf({container("a", cpu("1"))}, {container("i", cpu("2")), sidecar("s", cpu("1"))}))
          .cpu_shares,
      2048);
}

TEST(PodCgroup, LimitsExistOnlyWhenEveryContainerHasThem) {
  const auto limit = resourceList("500m", "64Mi");
  const auto all = podCgroup({}, podOf({container("a", {}, limit), container("b", {}, limit)}));
  EXPECT_EQ(all.cpu_quota_us, 100000);
  EXPECT_EQ(all.memory_limit, Bytes{128 << 20});
  const auto one =
      podCgroup({}, podOf({container("a", {}, limit), container("b", {}, resourceList("1", ""))}));
  EXPECT_EQ(one.cpu_quota_us, 150000);
  EXPECT_FALSE(one.memory_limit);
  const auto init = podCgroup({}, podOf({container("a", {}, limit)}, {container("i")}));
  EXPECT_FALSE(init.cpu_quota_us);
  EXPECT_FALSE(init.memory_limit);
}

TEST(PodCgroup, BestEffortHasTheLeastSharesAndNoLimits) {
  CgroupOptions options;
  options.pod_pids_limit = 100;
  const auto request = podCgroup(options, podOf({container("a")}));
  EXPECT_EQ(request.cpu_shares, 2);
  EXPECT_FALSE(request.cpu_quota_us);
  EXPECT_FALSE(request.memory_limit);
  EXPECT_EQ(request.pids_limit, 100);
  EXPECT_FALSE(podCgroup({}, podOf({container("a")})).pids_limit) << "-1 is unlimited";
}

TEST(PodCgroup, OverheadAddsToSharesAndToExistingLimits) {
  auto pod = podOf({container("a", {}, resourceList("1", ""))});
  pod.spec.overhead = resourceList("1", "10Mi");
  const auto request = podCgroup({}, pod);
  EXPECT_EQ(request.cpu_shares, 2048);
  EXPECT_EQ(request.cpu_quota_us, 200000);
  EXPECT_FALSE(request.memory_limit);
}

TEST(PodCgroup, HugeAmountsDoNotOverflow) {
  const auto huge = resourceList("9223372036854775807", "9223372036854775807");
  const auto request = podCgroup({}, podOf({container("a", huge, huge), container("b", huge, huge)}));
  EXPECT_EQ(request.cpu_shares, 262144);
  EXPECT_GT(*request.cpu_quota_us, 0);
  EXPECT_EQ(request.memory_limit, Bytes{INT64_MAX});
}

TEST(ContainerCgroup, CarriesItsOwnRequestAndLimits) {
  const auto pod = podOf({container("a", resourceList("250m", "32Mi"), resourceList("500m", "64Mi"))});
  const auto request = containerCgroup({}, pod, pod.spec.containers[0], ContainerId("c1"));
  EXPECT_EQ(request.path, "kubepods/burstable/podu1/c1");
  EXPECT_EQ(request.cpu_shares, 256);
  EXPECT_EQ(request.cpu_quota_us, 50000);
  EXPECT_EQ(request.memory_limit, Bytes{64 << 20});
  EXPECT_TRUE(request.container_weight);
  EXPECT_TRUE(request.oom_group);
}

TEST(ContainerCgroup, QuotaHasAFloorAndFollowsPeriodAndSwitch) {
  const auto pod = podOf({container("a", {}, resourceList("5m", ""))});
  const auto& a = pod.spec.containers[0];
  EXPECT_EQ(containerCgroup({}, pod, a, ContainerId("c")).cpu_quota_us, 1000);
  CgroupOptions longer;
  longer.cpu_cfs_period_us = 500000;
  EXPECT_EQ(containerCgroup(longer, pod, a, ContainerId("c")).cpu_quota_us, 2500);
  EXPECT_EQ(containerCgroup(longer, pod, a, ContainerId("c")).cpu_period_us, 500000);
  CgroupOptions off;
  off.cpu_cfs_quota = false;
  off.single_process_oom_kill = true;
  EXPECT_FALSE(containerCgroup(off, pod, a, ContainerId("c")).cpu_quota_us);
  EXPECT_FALSE(containerCgroup(off, pod, a, ContainerId("c")).oom_group);
  EXPECT_FALSE(podCgroup(off, pod).cpu_quota_us);
}

TEST(ContainerCgroup, TakesLimitsOfThePodWhenItHasNone) {
  auto pod = podOf({container("a")});
  pod.spec.resources.emplace();
  pod.spec.resources->limits = resourceList("1", "1Gi");
  const auto request = containerCgroup({}, pod, pod.spec.containers[0], ContainerId("c"));
  EXPECT_EQ(request.cpu_quota_us, 100000);
  EXPECT_EQ(request.memory_limit, Bytes{1 << 30});
}

TEST(OomScoreAdj, FollowsClassAndShareOfMemory) {
  const auto memory = [](const char* amount) { return resourceList("", amount); };
  const auto both = resourceList("1", "1Gi");
  const struct {
    const char* what;
    api::Pod pod;
    int score;
  } cases[] = {
      {"Guaranteed", podOf({container("a", both, both)}), -997},
      {"BestEffort", podOf({container("a")}), 1000},
      {"a quarter of the node", podOf({container("a", memory("2Gi"))}), 750},
      {"next to nothing", podOf({container("a", memory("1"))}), 999},
      {"no memory request", podOf({container("a", resourceList("1", ""))}), 999},
      {"all of the node", podOf({container("a", memory("8Gi"))}), 3},
      {"more than the node", podOf({container("a", memory("80Gi"))}), 3},
  };
  for (const auto& c : cases)
    EXPECT_EQ(oomScoreAdj(c.pod, c.pod.spec.containers[0], kNodeMemory), c.score) << c.what;
}

TEST(OomScoreAdj, SidecarsAreNotKilledBeforeTheAppsTheyServe) {
  const auto memory = [](const char* amount) { return resourceList("", amount); };
  const auto pod = podOf(
      {container("a", memory("4Gi")), container("b", memory("2Gi"))},
      {sidecar("small", memory("1Mi")), sidecar("large", memory("6Gi")), container("i", memory("1Gi"))});
  EXPECT_EQ(oomScoreAdj(pod, pod.spec.init_containers[0], kNodeMemory), 750);
  EXPECT_EQ(oomScoreAdj(pod, pod.spec.init_containers[1], kNodeMemory), 250);
  EXPECT_EQ(oomScoreAdj(pod, pod.spec.init_containers[2], kNodeMemory), 875);
}

TEST(OomScoreAdj, NodeCriticalCountsForPodsThatMayHaveIt) {
  auto pod = podOf({container("a")});
  pod.spec.priority_class_name = "system-node-critical";
  EXPECT_EQ(oomScoreAdj(pod, pod.spec.containers[0], kNodeMemory), 1000);
  pod.spec.priority = 2000001000;
  EXPECT_EQ(oomScoreAdj(pod, pod.spec.containers[0], kNodeMemory), -997);
  pod.spec.priority.reset();
  pod.metadata.annotations["kubernetes.io/config.source"] = "file";
  EXPECT_EQ(oomScoreAdj(pod, pod.spec.containers[0], kNodeMemory), -997);
}

TEST(OomScoreAdj, PodLevelRequestIsSharedOut) {
  auto pod = podOf({container("a", resourceList("", "1Gi")), container("b")});
  pod.spec.resources.emplace();
  pod.spec.resources->requests = resourceList("", "3Gi");
  EXPECT_EQ(oomScoreAdj(pod, pod.spec.containers[0], kNodeMemory), 750);
  EXPECT_EQ(oomScoreAdj(pod, pod.spec.containers[1], kNodeMemory), 875);
}

TEST(OomScoreAdj, AnUnknownNodeMemoryIsNotDividedBy) {
  const auto pod = podOf({container("a", resourceList("", "1Gi"))});
  EXPECT_EQ(oomScoreAdj(pod, pod.spec.containers[0], Bytes{0}), 3);
}

TEST(QosCgroups, BurstableWeighsTheSumOfItsPods) {
  const auto shared = [](api::Pod pod) { return std::make_shared<const api::Pod>(std::move(pod)); };
  const auto both = resourceList("4", "1Gi");
  const std::vector<api::PodPtr> pods = {shared(podOf({container("a", resourceList("500m", ""))})),
                                         shared(podOf({container("a", resourceList("1", ""))})),
                                         shared(podOf({container("a", both, both)})),
                                         shared(podOf({container("a")}))};
  const auto requests = qosCgroups({}, pods, Millicpu{2000});
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0].path, "kubepods");
  EXPECT_EQ(requests[0].cpu_shares, 2048);
  EXPECT_EQ(requests[1].path, "kubepods/burstable");
  EXPECT_EQ(requests[1].cpu_shares, 1536);
  EXPECT_EQ(requests[2].path, "kubepods/besteffort");
  EXPECT_EQ(requests[2].cpu_shares, 2);
  EXPECT_EQ(qosCgroups({}, {}, Millicpu{2000})[1].cpu_shares, 2);
  for (const auto& request : requests) EXPECT_FALSE(request.memory_limit);
}

}  // namespace
}  // namespace keelson::runtime
