#include "kubelet/cluster/status_patch.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace keelson::kubelet::cluster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const WallTime kNow{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

api::PodCondition condition(const std::string& type, const std::string& status, WallTime at = kNow,
                            const std::string& reason = "") {
  return {type, status, reason, "", std::nullopt, at, 1};
}

api::ContainerStatus runningContainer(int restarts = 0) {
  api::ContainerStatus status;
  status.name = "web";
  status.image = "nginx:1";
  status.image_id = "nginx@sha256:1";
  status.container_id = "keelson://" + std::to_string(restarts);
  status.restart_count = restarts;
  status.ready = true;
  status.started = true;
  status.state.running = api::ContainerStateRunning{kNow};
  return status;
}

api::ContainerStatus endedContainer(int code = 1) {
  api::ContainerStatus status = runningContainer();
  status.state.running.reset();
  status.state.terminated =
      api::ContainerStateTerminated{code, 0, "Error", "", kNow, kNow, status.container_id};
  return status;
}

api::ContainerStatus waitingContainer() {
  api::ContainerStatus status;
  status.name = "web";
  status.image = "nginx:1";
  status.state.waiting = api::ContainerStateWaiting{"ContainerCreating", ""};
  return status;
}

api::Pod podWith(api::PodStatus status) {
  api::Pod pod;
  pod.metadata.name = "web";
  pod.metadata.namespace_ = "default";
  pod.metadata.uid = "uid-1";
  pod.status = std::move(status);
  return pod;
}

api::PodStatus runningStatus() {
  api::PodStatus status;
  status.observed_generation = 1;
  status.phase = "Running";
  status.conditions = {condition("Initialized", "True"), condition("Ready", "True"),
                       condition("PodScheduled", "True")};
  status.host_ips = {"192.0.2.1"};
  status.pod_ips = {"10.244.0.2"};
  status.start_time = kNow;
  status.container_statuses = {runningContainer()};
  status.qos_class = "BestEffort";
  return status;
}

std::string patchText(const api::Pod& known, const api::PodStatus& wanted) {
  const auto patch = statusPatch(known, wanted);
  return patch ? json::serialize(patch->at("status")) : "";
}

TEST(StatusPatch, SaysNothingAboutWhatIsThere) {
  EXPECT_FALSE(statusPatch(podWith(runningStatus()), runningStatus()));
}

TEST(StatusPatch, PartsOfASecondAreNoDifference) {
  api::PodStatus wanted = runningStatus();
  wanted.start_time = kNow + milliseconds(400);
  wanted.container_statuses[0].state.running->started_at = kNow + milliseconds(900);
  wanted.conditions[0].last_transition_time = kNow + milliseconds(1);
  EXPECT_FALSE(statusPatch(podWith(runningStatus()), wanted));
}

TEST(StatusPatch, CarriesTheUidAsPrecondition) {
  const auto patch = statusPatch(podWith({}), runningStatus());
  ASSERT_TRUE(patch);
  EXPECT_EQ(patch->at("metadata").at("uid"), "uid-1");
  EXPECT_EQ(patch->at("status").at("startTime"), "2026-01-01T00:00:00Z");
  EXPECT_EQ(patch->at("status").at("podIP"), "10.244.0.2");
}

TEST(StatusPatch, SendsChangedPartsOfConditionsByType) {
  api::PodStatus wanted = runningStatus();
  wanted.conditions[1] = condition("Ready", "False", kNow + seconds(5), "ContainersNotReady");
  EXPECT_EQ(patchText(podWith(runningStatus()), wanted),
            R"({"conditions":[{"status":"False","lastTransitionTime":"2026-01-01T00:00:05Z",)"
            R"("reason":"ContainersNotReady","type":"Ready"}]})");
}

TEST(StatusPatch, AVanishedFieldBecomesNull) {
  api::PodStatus known = runningStatus();
  known.reason = "Waiting";
  EXPECT_EQ(patchText(podWith(known), runningStatus()), R"({"reason":null})");
}

TEST(StatusPatch, ConditionsOfOthersStayAndOwnVanishedOnesAreDeleted) {
  api::PodStatus known = runningStatus();
  known.conditions.push_back(condition("example.com/gate", "True"));
  known.conditions.push_back(condition("DisruptionTarget", "True"));
  known.conditions.push_back(condition("ContainersReady", "True"));
  EXPECT_EQ(patchText(podWith(known), runningStatus()),
            R"({"conditions":[{"$patch":"delete","type":"ContainersReady"}]})");
}

TEST(StatusPatch, TheSchedulersWordStandsButForTheGenerationItIsTrueOf) {
  api::PodStatus known = runningStatus();
  known.conditions[2] = condition("PodScheduled", "True", kNow - seconds(9));
  EXPECT_FALSE(statusPatch(podWith(known), runningStatus()));
  known.conditions[2].observed_generation = 0;
  EXPECT_EQ(patchText(podWith(known), runningStatus()),
            R"({"conditions":[{"observedGeneration":1,"type":"PodScheduled"}]})");
}

TEST(StatusPatch, AnAddressIsReplacedByItsKey) {
  api::PodStatus wanted = runningStatus();
  wanted.pod_ips = {"10.244.0.3"};
  EXPECT_EQ(patchText(podWith(runningStatus()), wanted),
            R"({"podIP":"10.244.0.3","podIPs":[{"ip":"10.244.0.3"},{"$patch":"delete","ip":"10.244.0.2"}]})");
}

TEST(MergeStatus, ATerminalPhaseIsFinal) {
  api::PodStatus known = runningStatus();
  known.phase = "Failed";
  known.reason = "Evicted";
  for (const char* phase : {"Running", "Succeeded", "Pending"}) {
    api::PodStatus wanted = runningStatus();
    wanted.phase = phase;
    const auto merged = mergeStatus(podWith(known), wanted);
    EXPECT_EQ(merged.phase, "Failed");
    EXPECT_EQ(merged.reason, "Evicted");
  }
}

TEST(MergeStatus, WhatThisDaemonForgotIsTakenFromTheApiServer) {
  api::PodStatus known = runningStatus();
  known.container_statuses = {runningContainer(3)};
  api::PodStatus wanted;
  wanted.phase = "Pending";
  wanted.start_time = kNow + seconds(100);
  wanted.container_statuses = {waitingContainer()};
  const auto merged = mergeStatus(podWith(known), wanted);
  EXPECT_EQ(merged.start_time, kNow);
  EXPECT_EQ(merged.pod_ips, known.pod_ips);
  const auto& container = merged.container_statuses.at(0);
  EXPECT_EQ(container.restart_count, 3);
  EXPECT_EQ(container.state.waiting->reason, "ContainerCreating");
  EXPECT_EQ(container.last_state.terminated->reason, "ContainerStatusUnknown");
  EXPECT_EQ(container.last_state.terminated->container_id, "keelson://3");
  // And once more the same: nothing to say.
  EXPECT_EQ(mergeStatus(podWith(merged), wanted), merged);
}

TEST(MergeStatus, AnEndThatWasToldDoesNotVanish) {
  api::PodStatus known = runningStatus();
  known.container_statuses = {endedContainer()};
  api::PodStatus older = runningStatus();  // a look from before that end
  EXPECT_EQ(mergeStatus(podWith(known), older).container_statuses[0], known.container_statuses[0]);
  api::PodStatus forgotten = runningStatus();
  forgotten.container_statuses = {waitingContainer()};
  EXPECT_EQ(mergeStatus(podWith(known), forgotten).container_statuses[0].last_state.terminated,
            known.container_statuses[0].state.terminated);
  api::PodStatus none = runningStatus();
  none.container_statuses.clear();
  EXPECT_EQ(mergeStatus(podWith(known), none).container_statuses, known.container_statuses);
}

TEST(MergeStatus, ARestartedContainerIsNoStepBack) {
  api::PodStatus known = runningStatus();
  known.container_statuses = {endedContainer()};
  api::PodStatus wanted = runningStatus();
  wanted.container_statuses = {runningContainer(1)};
  EXPECT_EQ(mergeStatus(podWith(known), wanted).container_statuses[0], wanted.container_statuses[0]);
}

TEST(MergeStatus, AConditionThatStaysKeepsItsTime) {
  api::PodStatus wanted = runningStatus();
  for (auto& one : wanted.conditions) one.last_transition_time = kNow + seconds(60);
  EXPECT_EQ(mergeStatus(podWith(runningStatus()), wanted).conditions, runningStatus().conditions);
}

TEST(MergeStatus, AMirrorIsKnownByItsHash) {
  api::Pod mirror = podWith({});
  EXPECT_EQ(localUid(mirror), PodUid("uid-1"));
  mirror.metadata.annotations["kubernetes.io/config.mirror"] = "hash";
  EXPECT_TRUE(isMirror(mirror));
  EXPECT_EQ(localUid(mirror), PodUid("hash"));
}

}  // namespace
}  // namespace keelson::kubelet::cluster
