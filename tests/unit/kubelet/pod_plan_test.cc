#include "kubelet/pod_plan.h"

#include <algorithm>

#include "kubelet/text.h"
#include "tests/unit/kubelet/pods.h"

namespace keelson::kubelet {
namespace {

TEST(PlanPod, MakesEverythingOfANewPodInOneGoWhenTheImageIsHere) {
  PodWorld world(onePod());
  world.images();
  EXPECT_EQ(world.text(), "MakeSandbox 0\nAttachNetwork\nPrepareVolumes\nStartContainer web 0\n");
}

TEST(PlanPod, FetchesAMissingImageWhileTheSandboxIsMade) {
  PodWorld world(onePod());
  EXPECT_EQ(
      world.text(),
      "RequestImage nginx:1 for web\nMakeSandbox 0\nAttachNetwork\nPrepareVolumes\nwait: image nginx:1\n");
}

TEST(PlanPod, WaitsForAnImageThatIsBeingPulled) {
  PodWorld world(onePod());
  world.images(ImageState::kPulling).sandbox();
  EXPECT_EQ(world.text(), "wait: image nginx:1\n");
}

TEST(PlanPod, StartsTheContainerOnceItsImageIsHere) {
  PodWorld world(onePod());
  world.images(ImageState::kPulled).sandbox();
  EXPECT_EQ(world.text(), "StartContainer web 0\n");
}

TEST(PlanPod, DoesNothingWhileAllRuns) {
  PodWorld world(onePod());
  world.images().sandbox().running("web");
  EXPECT_EQ(world.text(), "");
}

TEST(PlanPod, PullsAgainForEachAttemptWithPolicyAlways) {
  PodWorld world(
      podFrom("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n"
              "  - {name: web, image: nginx, imagePullPolicy: Always}\n"));
  world.images(ImageState::kPresent).sandbox();
  EXPECT_EQ(world.text(), "RequestImage nginx for web\nwait: image nginx\n");
}

TEST(PlanPod, NeverPullsWithPolicyNever) {
  PodWorld world(
      podFrom("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n"
              "  - {name: web, image: nginx, imagePullPolicy: Never}\n"));
  world.sandbox();
  EXPECT_EQ(world.text(), "wait: image nginx\n");
  world.images(ImageState::kPresent);
  EXPECT_EQ(world.text(), "StartContainer web 0\n");
}

TEST(PlanPod, AsksOnceForAnImageOfSeveralContainers) {
  PodWorld world(
      podFrom("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n"
              "  - {name: a, image: 'nginx:1'}\n  - {name: b, image: 'nginx:1'}\n"));
  world.sandbox();
  EXPECT_EQ(world.text(), "RequestImage nginx:1 for a\nwait: image nginx:1\nwait: image nginx:1\n");
}

TEST(PlanPod, RetriesAPullWhenItsBackOffIsOver) {
  PodWorld world(onePod());
  world.sandbox();
  world.record.pulls["nginx:1"] = {{seconds(10), world.now}, world.now, "ErrImagePull", "no route"};
  EXPECT_EQ(world.text(), "wait: image nginx:1\nwake in 3s\n");
  world.pass(seconds(3));
  EXPECT_EQ(world.text(), "wait: image nginx:1\nwake in 7s\n");
  world.pass(seconds(7));
  EXPECT_EQ(world.text(), "RequestImage nginx:1 for web\nwait: image nginx:1\n");
}

// ---- restarts ----

TEST(PlanPod, RestartsAFailedContainerAtOnceTheFirstTime) {
  PodWorld world(onePod());
  world.images().sandbox().exited("web", 1);
  EXPECT_EQ(world.text(), "StartContainer web 1\n");
}

TEST(PlanPod, RestartsFailedContainerAfterBackoff) {
  PodWorld world(onePod());
  world.images().sandbox().running("web");
  const Duration waits[] = {seconds(0),  seconds(10),  seconds(20),  seconds(40),
                            seconds(80), seconds(160), seconds(300), seconds(300)};
  uint32_t attempt = 0;
  for (const Duration wait : waits) {
    world.pass(seconds(1)).end("web", 1);
    if (wait > Duration{0}) {
      const Plan held = world.plan();
      ASSERT_TRUE(held.wake_at);
      EXPECT_EQ(*held.wake_at - world.now, wait);
      EXPECT_EQ(held.waits, std::vector<std::string>{"back-off " + goDuration(wait) + " of container web"});
      world.pass(wait - seconds(1));
      for (const auto& action : world.plan().actions)
        EXPECT_FALSE(std::holds_alternative<StartContainer>(action));
      world.pass(seconds(1));
    }
    const Plan plan = world.plan();
    const auto starts = std::count_if(plan.actions.begin(), plan.actions.end(), [](const Action& action) {
      return std::holds_alternative<StartContainer>(action);
    });
    ASSERT_EQ(starts, 1) << renderPlan(plan, world.now);
    world.apply(plan);
    EXPECT_EQ(world.record.containers["web"].current->attempt, ++attempt);
  }
}

TEST(PlanPod, BackOffStartsAnewAfterTenMinutesOfRunning) {
  PodWorld world(onePod());
  world.images().sandbox().running("web");
  for (int i = 0; i < 4; ++i) {
    world.pass(seconds(1)).end("web", 1);
    world.pass(seconds(300));
    world.apply(world.plan());
  }
  world.pass(minutes(11)).end("web", 1);
  EXPECT_EQ(world.plan().actions.empty(), false);
  world.apply(world.plan());
  world.pass(seconds(1)).end("web", 1);
  const Plan plan = world.plan();
  ASSERT_TRUE(plan.wake_at);
  EXPECT_EQ(*plan.wake_at - world.now, seconds(10));
}

TEST(PlanPod, BackOffGoesOnWhenTheContainerRanLessThanTenMinutes) {
  PodWorld world(onePod());
  world.images().sandbox().exited("web", 1);
  world.apply(world.plan());
  world.pass(minutes(9)).end("web", 1);
  EXPECT_EQ(*world.plan().wake_at - world.now, seconds(10));
}

struct PolicyCase {
  const char* policy;
  int exit_code;
  bool restarts;
};

TEST(PlanPod, FollowsTheRestartPolicy) {
  const PolicyCase cases[] = {{"Always", 0, true},    {"Always", 1, true}, {"OnFailure", 0, false},
                              {"OnFailure", 1, true}, {"Never", 0, false}, {"Never", 1, false}};
  for (const auto& one : cases) {
    PodWorld world(onePod(one.policy));
    world.images().sandbox().exited("web", one.exit_code);
    EXPECT_EQ(world.text(), one.restarts ? "StartContainer web 1\n" : "TearDown\n")
        << one.policy << " " << one.exit_code;
  }
}

TEST(PlanPod, AContainersOwnRestartRulesComeFirst) {
  PodWorld world(podFrom(R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  restartPolicy: Never
  containers:
  - name: web
    image: nginx:1
    restartPolicy: Never
    restartPolicyRules:
    - action: Restart
      exitCodes: {operator: In, values: [42]}
)"));
  world.images().sandbox().exited("web", 42);
  EXPECT_EQ(world.text(), "StartContainer web 1\n");
  PodWorld other(world.pod);
  other.images().sandbox().exited("web", 41);
  EXPECT_EQ(other.text(), "TearDown\n");
}

TEST(PlanPod, KeepsTheSandboxWhileOneContainerOfANeverPodRuns) {
  PodWorld world(
      podFrom("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  restartPolicy: Never\n"
              "  containers:\n  - {name: a, image: 'nginx:1'}\n  - {name: b, image: 'nginx:1'}\n"));
  world.images().sandbox().exited("a", 0).running("b");
  EXPECT_EQ(world.text(), "");
  world.end("b", 0);
  EXPECT_EQ(world.text(), "TearDown\n");
  world.apply(world.plan());
  EXPECT_EQ(world.text(), "");
}

TEST(PlanPod, ReplacesAContainerWhoseImageChanged) {
  PodWorld world(onePod());
  world.images().sandbox().running("web");
  world.fold();
  world.pod.spec.containers[0].image = "nginx:2";
  EXPECT_EQ(world.text(), "StopContainer web signal 15 grace 30s\nwait: grace period of container web\n");
  world.apply(world.plan());
  EXPECT_EQ(world.text(), "wait: grace period of container web\n");
  world.end("web", 143);
  world.images(ImageState::kPresent);
  EXPECT_EQ(world.text(), "StartContainer web 1\n");
}

// ---- probes ----

constexpr char kProbedPod[] = R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  restartPolicy: POLICY
  containers:
  - name: web
    image: nginx:1
    livenessProbe: {exec: {command: ["true"]}, terminationGracePeriodSeconds: 7}
    startupProbe: {exec: {command: ["true"]}, terminationGracePeriodSeconds: 9}
)";

PodWorld probedWorld(const std::string& policy) {
  std::string text = kProbedPod;
  text.replace(text.find("POLICY"), 6, policy);
  PodWorld world(podFrom(text));
  world.images().sandbox().running("web").fold();
  return world;
}

TEST(PlanPod, AFailedProbeStopsItsContainerWithTheGracePeriodOfTheProbe) {
  for (const auto& [probe, grace] : {std::pair("liveness", 7), std::pair("startup", 9)}) {
    PodWorld world = probedWorld("Always");
    world.record.containers["web"].current->failed_probe = probe;
    const Plan plan = world.plan();
    ASSERT_EQ(plan.actions.size(), 1u);
    const auto& stop = std::get<StopContainer>(plan.actions[0]);
    EXPECT_EQ(stop.grace, Duration(seconds(grace)));
    EXPECT_EQ(stop.why, std::string("Container web failed ") + probe + " probe, will be restarted");
    world.apply(plan);
    EXPECT_EQ(world.text(), "wait: grace period of container web\n");
    world.end("web", 143);
    EXPECT_EQ(world.text(), "StartContainer web 1\n");
  }
}

TEST(PlanPod, AFailedProbeOfANeverPodEndsIt) {
  PodWorld world = probedWorld("Never");
  world.record.containers["web"].current->failed_probe = "liveness";
  EXPECT_EQ(std::get<StopContainer>(world.plan().actions.at(0)).why, "Container web failed liveness probe");
  world.apply(world.plan());
  world.end("web", 143);
  EXPECT_EQ(world.text(), "TearDown\n");
  EXPECT_EQ(world.status().phase, "Failed");
}

TEST(PlanPod, AContainerThatAProbeEndedRestartsAlsoIfItExitsWell) {
  PodWorld world = probedWorld("OnFailure");
  world.record.containers["web"].current->failed_probe = "liveness";
  world.apply(world.plan());
  world.end("web", 0);
  EXPECT_EQ(world.text(), "StartContainer web 1\n");
  EXPECT_EQ(world.status().phase, "Running");
}

TEST(PlanPod, ADeletedPodKeepsThePodsGracePeriodWhateverItsProbesSay) {
  PodWorld world = probedWorld("Always");
  world.record.containers["web"].current->failed_probe = "liveness";
  world.remove(seconds(20));
  const auto plan = world.plan();
  const auto& stop = std::get<StopContainer>(plan.actions.at(0));
  EXPECT_EQ(stop.grace, Duration(seconds(20)));
  EXPECT_EQ(stop.why, "Stopping container web");
}

TEST(PlanPod, ASidecarHoldsTheNextOneUntilItsStartupProbeHasSucceeded) {
  PodWorld world(podFrom(R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  initContainers:
  - name: proxy
    image: envoy:1
    restartPolicy: Always
    startupProbe: {exec: {command: ["true"]}}
  containers:
  - {name: web, image: "nginx:1"}
)"));
  world.images().sandbox().running("proxy");
  EXPECT_EQ(world.text(), "wait: startup of container proxy\n");
  EXPECT_EQ(world.status().phase, "Pending");
  InstanceRecord& instance = *world.record.containers["proxy"].current;
  instance.failed_probe = "startup";
  EXPECT_EQ(std::get<StopContainer>(world.plan().actions.at(0)).why,
            "Init container proxy failed startup probe");
  instance.failed_probe = "";
  instance.started = true;
  EXPECT_EQ(world.text(), "StartContainer web 0\n");
}

TEST(PlanPod, KeepsTheNewestDeadInstanceAndRemovesOlderOnes) {
  PodWorld world(onePod());
  world.images().sandbox().exited("web", 1, 0);
  world.apply(world.plan());
  EXPECT_EQ(world.text(), "");  // attempt 0 is kept for `logs --previous`
  world.end("web", 1);
  EXPECT_EQ(world.text(), "RemoveContainer web 0\nwait: back-off 10s of container web\nwake in 10s\n");
}

// ---- sandbox ----

TEST(PlanPod, TearsDownALostSandboxBeforeANewOne) {
  PodWorld world(onePod());
  world.images().sandbox().running("web");
  world.fold();
  world.observed.runtime.sandbox = runtime::SandboxPhase::kLost;
  EXPECT_EQ(world.text(), "TearDown (Pod sandbox changed, it will be killed and re-created.)\n");
  world.apply(world.plan());
  EXPECT_EQ(world.text(), "MakeSandbox 1\nAttachNetwork\nPrepareVolumes\nStartContainer web 1\n");
}

TEST(PlanPod, ReleasesTheNetworkOfASandboxThatARebootTookAway) {
  PodWorld world(onePod());
  world.images().sandbox().running("web");
  world.fold();
  world.observed.runtime = {};
  world.observed.volumes = StepState::kNone;
  EXPECT_EQ(world.text(), "TearDown (Pod sandbox changed, it will be killed and re-created.)\n");
  world.apply(world.plan());
  EXPECT_EQ(world.text(), "MakeSandbox 1\nAttachNetwork\nPrepareVolumes\nStartContainer web 1\n");
}

TEST(PlanPod, DoesNotMakeANewSandboxForANeverPodThatHasRun) {
  PodWorld world(onePod("Never"));
  world.images().sandbox().running("web");
  world.fold();
  world.observed.runtime.sandbox = runtime::SandboxPhase::kLost;
  EXPECT_EQ(world.text(), "TearDown\n");
  world.apply(world.plan());
  EXPECT_EQ(world.text(), "");
  EXPECT_EQ(world.status().phase, "Failed");
}

TEST(PlanPod, AttachesANetworkThatAnEarlierLifeDidNotFinish) {
  PodWorld world(onePod());
  world.images().sandbox();
  world.record.attached_sandbox.reset();
  world.observed.volumes = StepState::kNone;
  EXPECT_EQ(world.text(), "AttachNetwork\nPrepareVolumes\nStartContainer web 0\n");
}

TEST(PlanPod, HoldsAfterAFailedStepUntilItsRetryTime) {
  PodWorld world(onePod());
  world.images();
  world.observed.pod_failure =
      StepFailure{"FailedCreatePodSandBox", "no space", seconds(1), world.now + seconds(1)};
  EXPECT_EQ(world.text(), "wait: retry after FailedCreatePodSandBox: no space\nwake in 1s\n");
  world.pass(seconds(1));
  EXPECT_EQ(world.text(), "MakeSandbox 0\nAttachNetwork\nPrepareVolumes\nStartContainer web 0\n");
}

TEST(PlanPod, AFailedStartHoldsOnlyItsOwnContainer) {
  PodWorld world(
      podFrom("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n"
              "  containers:\n  - {name: a, image: 'nginx:1'}\n  - {name: b, image: 'nginx:1'}\n"));
  world.images().sandbox();
  world.observed.start_failures["a"] = {"CreateContainerConfigError", "no", seconds(2),
                                        world.now + seconds(2)};
  EXPECT_EQ(world.text(),
            "StartContainer b 0\nwait: container a: CreateContainerConfigError: no\nwake in 2s\n");
}

// ---- volumes ----

TEST(PlanPod, WaitsForChecksOfHostPathsAndOpensThemForEachStart) {
  PodWorld world(podFrom(R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: web
    image: nginx:1
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, hostPath: {path: /srv, type: Directory}}]
)"));
  world.images();
  EXPECT_EQ(world.text(), "MakeSandbox 0\nAttachNetwork\nPrepareVolumes\nwait: volumes\n");
  world.sandbox();
  world.observed.volumes = StepState::kWorking;
  EXPECT_EQ(world.text(), "wait: volumes\n");
  world.observed.volumes = StepState::kReady;
  EXPECT_EQ(world.text(), "OpenMounts web\nwait: host paths of container web\n");
  world.observed.mounts["web"] = StepState::kWorking;
  EXPECT_EQ(world.text(), "wait: host paths of container web\n");
  world.observed.mounts["web"] = StepState::kReady;
  EXPECT_EQ(world.text(), "StartContainer web 0\n");
}

// ---- init containers and sidecars ----

constexpr char kInitPod[] = R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  restartPolicy: POLICY
  initContainers:
  - {name: first, image: 'nginx:1'}
  - {name: second, image: 'nginx:1'}
  containers:
  - {name: web, image: 'nginx:1'}
)";

api::Pod initPod(const std::string& policy) {
  std::string yaml = kInitPod;
  yaml.replace(yaml.find("POLICY"), 6, policy);
  return podFrom(yaml);
}

TEST(PlanPod, RunsInitContainersOneAfterTheOther) {
  PodWorld world(initPod("Always"));
  world.images().sandbox();
  EXPECT_EQ(world.text(), "StartContainer first 0\n");
  world.apply(world.plan());
  EXPECT_EQ(world.text(), "wait: init container first\n");
  world.end("first", 0);
  EXPECT_EQ(world.text(), "StartContainer second 0\n");
  world.apply(world.plan());
  world.end("second", 0);
  EXPECT_EQ(world.text(), "StartContainer web 0\n");
}

TEST(PlanPod, RetriesAFailedInitContainer) {
  PodWorld world(initPod("Always"));
  world.images().sandbox().exited("first", 1);
  EXPECT_EQ(world.text(), "StartContainer first 1\n");
  world.apply(world.plan());
  world.end("first", 1);
  EXPECT_EQ(world.text(), "RemoveContainer first 0\nwait: back-off 10s of container first\nwake in 10s\n");
}

TEST(PlanPod, AFailedInitContainerEndsANeverPod) {
  PodWorld world(initPod("Never"));
  world.images().sandbox().exited("first", 3);
  EXPECT_EQ(world.text(), "TearDown\n");
  EXPECT_EQ(world.status().phase, "Failed");
}

TEST(PlanPod, RunsInitContainersAgainInANewSandbox) {
  PodWorld world(initPod("Always"));
  world.images().sandbox().exited("first", 0).exited("second", 0).running("web");
  EXPECT_EQ(world.text(), "");
  world.observed.runtime = {};
  world.observed.volumes = StepState::kNone;
  world.apply(world.plan());  // tear-down
  EXPECT_EQ(world.text(), "MakeSandbox 1\nAttachNetwork\nPrepareVolumes\nStartContainer first 1\n");
}

TEST(PlanPod, DoesNotRunInitContainersAgainWhenAnAppContainerRestarts) {
  PodWorld world(initPod("Always"));
  world.images().sandbox().exited("first", 0).exited("second", 0).exited("web", 1);
  EXPECT_EQ(world.text(), "StartContainer web 1\n");
}

constexpr char kSidecarPod[] = R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  restartPolicy: Never
  initContainers:
  - {name: proxy, image: 'nginx:1', restartPolicy: Always}
  - {name: log, image: 'nginx:1', restartPolicy: Always}
  containers:
  - {name: web, image: 'nginx:1'}
)";

TEST(PlanPod, StartsSidecarsInOrderAndKeepsThem) {
  PodWorld world(podFrom(kSidecarPod));
  world.images().sandbox();
  EXPECT_EQ(world.text(), "StartContainer proxy 0\n");
  world.apply(world.plan());
  EXPECT_EQ(world.text(), "StartContainer log 0\n");
  world.apply(world.plan());
  EXPECT_EQ(world.text(), "StartContainer web 0\n");
  world.apply(world.plan());
  world.end("proxy", 0);
  EXPECT_EQ(world.text(), "StartContainer proxy 1\n");
}

TEST(PlanPod, SidecarsDoNotKeepAFinishedPodAndStopInReverseOrder) {
  PodWorld world(podFrom(kSidecarPod));
  world.images().sandbox().running("proxy").running("log").exited("web", 0);
  EXPECT_EQ(world.text(),
            "StopContainer log signal 15 grace 30s\nwait: container proxy to stop\n"
            "wait: container log to stop\nwake in 30s\n");
  world.apply(world.plan());
  world.pass(seconds(5)).end("log", 143);
  EXPECT_EQ(world.text(),
            "StopContainer proxy signal 15 grace 25s\nwait: container proxy to stop\nwake in 30s\n");
  world.apply(world.plan());
  world.end("proxy", 143);
  EXPECT_EQ(world.text(), "TearDown\n");
  EXPECT_EQ(world.status().phase, "Succeeded");
}

TEST(PlanPod, TellsAllThatRemainWhenTheGracePeriodIsOver) {
  PodWorld world(podFrom(kSidecarPod));
  world.images().sandbox().running("proxy").running("log").running("web");
  world.fold().remove(seconds(10));
  world.apply(world.plan());
  world.pass(seconds(10));
  EXPECT_EQ(world.text(),
            "StopContainer proxy signal 15 grace 2s\nStopContainer log signal 15 grace 2s\n"
            "wait: container proxy to stop\nwait: container log to stop\nwait: container web to stop\nwake "
            "in 5s\n");
}

// ---- ends ----

TEST(PlanPod, DeletionStopsThenTearsDownThenReleases) {
  PodWorld world(onePod());
  world.images().sandbox().running("web");
  world.fold().remove();
  EXPECT_EQ(world.text(),
            "StopContainer web signal 15 grace 30s\nwait: container web to stop\nwake in 35s\n");
  world.apply(world.plan());
  EXPECT_EQ(world.text(), "wait: container web to stop\nwake in 35s\n");
  world.end("web", 0);
  EXPECT_EQ(world.text(), "TearDown\nReleasePod\n");
}

TEST(PlanPod, EveryContainerGetsTwoSecondsAtLeast) {
  PodWorld world(onePod());
  world.images().sandbox().running("web");
  world.fold().remove(seconds(0));
  EXPECT_EQ(world.text(), "StopContainer web signal 15 grace 2s\nwait: container web to stop\nwake in 7s\n");
}

TEST(PlanPod, AShorterGracePeriodTakesEffectAndALongerOneDoesNot) {
  PodWorld world(onePod());
  world.images().sandbox().running("web");
  world.fold().remove(seconds(30));
  world.apply(world.plan());
  world.record.deletion->grace = seconds(60);
  EXPECT_EQ(world.text(), "wait: container web to stop\nwake in 35s\n");
  world.record.deletion->grace = seconds(5);
  EXPECT_EQ(world.text(), "StopContainer web signal 15 grace 5s\nwait: container web to stop\nwake in 10s\n");
}

TEST(PlanPod, AClockThatIsSetBackDoesNotLengthenTheGracePeriod) {
  PodWorld world(onePod());
  world.images().sandbox().running("web").fold().remove(seconds(30)).pass(-hours(1));
  const Plan deleted = world.plan();
  ASSERT_EQ(deleted.actions.size(), 1u);
  EXPECT_EQ(std::get<StopContainer>(deleted.actions[0]).grace, Duration(seconds(30)));
  PodWorld ended(onePod());
  ended.images().sandbox().running("web").fold();
  ended.record.ending = Ending{"Failed", "DeadlineExceeded", "", ended.now};
  ended.pass(-hours(1));
  EXPECT_EQ(std::get<StopContainer>(ended.plan().actions.at(0)).grace, Duration(seconds(30)));
}

TEST(PlanPod, ContinuesADeletionOfAnEarlierLifeWithTheTimeThatIsLeft) {
  PodWorld world(onePod());
  world.images().sandbox().running("web");
  world.fold().remove(seconds(30)).pass(seconds(20));
  EXPECT_EQ(world.text(),
            "StopContainer web signal 15 grace 10s\nwait: container web to stop\nwake in 15s\n");
}

TEST(PlanPod, TearsDownWhatOutlivesItsSigkill) {
  PodWorld world(onePod());
  world.images().sandbox().running("web");
  world.fold().remove(seconds(30));
  world.apply(world.plan());
  world.pass(seconds(35));
  EXPECT_EQ(world.text(), "TearDown (containers outlived SIGKILL)\nReleasePod\n");
}

TEST(PlanPod, StopsContainersThatNoSpecNames) {
  PodWorld world(onePod());
  world.pod.spec.containers.clear();
  world.sandbox().running("old");
  world.fold().remove(seconds(1));
  EXPECT_EQ(world.text(), "StopContainer old signal 15 grace 2s\nwait: container old to stop\nwake in 7s\n");
}

TEST(PlanPod, ADeletedPodThatNeverRanIsReleasedAtOnce) {
  PodWorld world(onePod());
  world.remove();
  EXPECT_EQ(world.text(), "ReleasePod\n");
}

TEST(PlanPod, ARejectedPodGetsNothing) {
  PodWorld world(onePod());
  world.images();
  world.record.admission = Admission{false, "OutOfcpu", "Pod was rejected: ..."};
  EXPECT_EQ(world.text(), "");
  world.remove();
  EXPECT_EQ(world.text(), "ReleasePod\n");
}

TEST(PlanPod, ADeadlineThatIsLoweredTakesEffect) {
  PodWorld world(onePod("Always", "  activeDeadlineSeconds: 3600\n"));
  world.images().sandbox().running("web");
  EXPECT_EQ(world.text(), "wake in 1h\n");
  world.pod.spec.active_deadline_seconds = 60;
  EXPECT_EQ(world.text(), "wake in 1m\n");
  world.pass(seconds(61));
  world.apply(world.plan());
  EXPECT_EQ(world.record.ending->reason, "DeadlineExceeded");
  EXPECT_TRUE(world.record.containers["web"].current->kill_at);
}

TEST(PlanPod, EndsAPodAtItsDeadline) {
  PodWorld world(onePod("Always", "  activeDeadlineSeconds: 60\n"));
  world.images().sandbox().running("web");
  EXPECT_EQ(world.text(), "wake in 1m\n");
  world.pass(seconds(60));
  EXPECT_EQ(world.text(),
            "StopContainer web signal 15 grace 30s\nwait: container web to stop\nwake in 35s\n");
  EXPECT_EQ(world.status().phase, "Running") << "its container still runs";
  const auto status = world.end("web", 143).status();
  EXPECT_EQ(status.phase, "Failed");
  EXPECT_EQ(status.reason, "DeadlineExceeded");
  EXPECT_EQ(status.message, "Pod was active on the node longer than the specified deadline");
}

}  // namespace
}  // namespace keelson::kubelet
