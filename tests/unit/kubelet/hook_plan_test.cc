// What the plan and the status say of lifecycle hooks.
#include "kubelet/container_stop.h"
#include "tests/unit/kubelet/pods.h"

namespace keelson::kubelet {
namespace {

constexpr char kHooked[] = R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: web
    image: nginx:1
    lifecycle:
      postStart: {exec: {command: [hello]}}
      preStop: {exec: {command: [bye]}}
)";

struct HookWorld : PodWorld {
  explicit HookWorld(const std::string& text) : PodWorld(podFrom(text)) { images().sandbox(); }
  InstanceRecord& instance(const std::string& container = "web") {
    return *record.containers[container].current;
  }
  HookWorld& started(const std::string& container = "web", HookPhase post_start = HookPhase::kDone) {
    fold();
    apply(Plan{{StartContainer{container, 0}}, {}, {}});
    instance(container).post_start.phase = post_start;
    return *this;
  }
};

TEST(PostStartHook, RunsRightAfterTheStart) {
  HookWorld world(kHooked);
  world.fold();
  EXPECT_EQ(world.text(), "StartContainer web 0\n");
  world.apply(world.plan());
  EXPECT_EQ(world.text(), "RunHook web postStart\nwait: postStart hook of container web\n");
  world.apply(world.plan());
  EXPECT_EQ(world.text(), "wait: postStart hook of container web\n");
  world.instance().post_start.phase = HookPhase::kDone;
  EXPECT_EQ(world.text(), "");
}

TEST(PostStartHook, TheContainerDoesNotCountAsRunningBeforeItsEnd) {
  HookWorld world(kHooked);
  world.started("web", HookPhase::kBegun);
  auto status = world.status();
  ASSERT_TRUE(status.container_statuses[0].state.waiting);
  EXPECT_EQ(status.container_statuses[0].state.waiting->reason, "ContainerCreating");
  EXPECT_EQ(status.container_statuses[0].started, false);
  EXPECT_FALSE(status.container_statuses[0].ready);
  EXPECT_FALSE(status.container_statuses[0].container_id.empty());
  EXPECT_EQ(status.phase, "Pending");
  world.instance().post_start.phase = HookPhase::kDone;
  status = world.status();
  EXPECT_TRUE(status.container_statuses[0].state.running);
  EXPECT_TRUE(status.container_statuses[0].ready);
  EXPECT_EQ(status.phase, "Running");
}

TEST(PostStartHook, AFailureStopsTheContainerAndItsRestartFollowsThePolicy) {
  HookWorld world(kHooked);
  world.started("web", HookPhase::kFailed).instance().post_start.message = "it says no";
  EXPECT_EQ(world.status().container_statuses[0].state.waiting->reason, "PostStartHookError");
  EXPECT_EQ(world.status().container_statuses[0].state.waiting->message, "it says no");
  Plan plan = world.plan();
  EXPECT_EQ(std::get<RunHook>(plan.actions.at(0)).why, "FailedPostStartHook");
  EXPECT_EQ(renderPlan(plan, world.now),
            "RunHook web preStop\nwait: preStop hook of container web\nwake in 30s\n");
  world.apply(plan);
  world.pass(seconds(4));
  world.instance().pre_stop.phase = HookPhase::kDone;
  plan = world.plan();
  EXPECT_EQ(std::get<StopContainer>(plan.actions.at(0)).why, "") << "Killing was told before the hook";
  EXPECT_EQ(renderPlan(plan, world.now),
            "StopContainer web signal 15 grace 26s\nwait: grace period of container web\n");
  world.apply(plan);
  world.end("web", 143);
  EXPECT_EQ(world.text(), "StartContainer web 1\n");
  const auto status = world.status().container_statuses[0];
  EXPECT_EQ(status.state.waiting->reason, "PostStartHookError");
  EXPECT_EQ(status.last_state.terminated->exit_code, 143);
  world.record.containers["web"].backoff = {seconds(10), world.now};
  EXPECT_EQ(world.status().container_statuses[0].state.waiting->reason, "CrashLoopBackOff");
}

TEST(PostStartHook, AFailureInANeverPodEndsIt) {
  std::string text = kHooked;
  text.replace(text.find("  containers:"), 0, "  restartPolicy: Never\n");
  HookWorld world(text);
  world.started("web", HookPhase::kFailed).end("web", 137);
  EXPECT_EQ(world.text(), "TearDown\n");
  EXPECT_EQ(world.status().phase, "Failed");
}

constexpr char kOrdered[] = R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - {name: first, image: "proxy:1", lifecycle: {postStart: {exec: {command: [ready]}}}}
  - {name: second, image: "nginx:1"}
)";

TEST(PostStartHook, HoldsTheContainersAfterIt) {
  HookWorld world(kOrdered);
  world.fold();
  EXPECT_EQ(world.text(), "StartContainer first 0\n");
  world.apply(world.plan());
  EXPECT_EQ(world.text(), "RunHook first postStart\nwait: postStart hook of container first\n");
  world.apply(world.plan());
  EXPECT_EQ(world.text(), "wait: postStart hook of container first\n");
  world.instance("first").post_start.phase = HookPhase::kDone;
  EXPECT_EQ(world.text(), "StartContainer second 0\n");
}

TEST(PostStartHook, HoldsThemAlsoWhileItsContainersImageComesButNotWhenItFails) {
  HookWorld world(kOrdered);
  world.observed.images["first"].state = ImageState::kPulling;
  EXPECT_EQ(world.text(), "wait: image proxy:1\n");
  world.observed.images["first"].state = ImageState::kAbsent;
  world.record.pulls["proxy:1"] = {{seconds(10), world.now}, world.now, "ErrImagePull", "no route"};
  EXPECT_EQ(world.text(), "StartContainer second 0\nwait: image proxy:1\nwake in 3s\n");
}

TEST(PostStartHook, FetchesTheImagesOfThoseItHolds) {
  HookWorld world(kOrdered);
  world.started("first", HookPhase::kBegun);
  world.observed.images["second"].state = ImageState::kAbsent;
  EXPECT_EQ(
      world.text(),
      "RequestImage nginx:1 for second\nwait: postStart hook of container first\nwait: image nginx:1\n");
}

TEST(PostStartHook, ASidecarsHoldsTheAppContainers) {
  HookWorld world(R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  initContainers:
  - {name: proxy, image: "proxy:1", restartPolicy: Always, lifecycle: {postStart: {exec: {command: [ready]}}}}
  containers:
  - {name: web, image: "nginx:1"}
)");
  world.started("proxy", HookPhase::kBegun);
  EXPECT_EQ(world.text(), "wait: postStart hook of container proxy\n");
  EXPECT_EQ(world.status().init_container_statuses[0].state.waiting->reason, "PodInitializing");
  world.instance("proxy").post_start.phase = HookPhase::kDone;
  EXPECT_EQ(world.text(), "StartContainer web 0\n");
}

TEST(PostStartHook, RunsForAContainerWhoseStartWasNotWrittenDownButNotWhenAllIsLost) {
  HookWorld known(kHooked);
  known.fold();
  known.running("web");
  EXPECT_EQ(known.text(), "RunHook web postStart\nwait: postStart hook of container web\n");
  HookWorld lost(kHooked);
  lost.running("web");
  EXPECT_EQ(lost.text(), "");
}

TEST(PostStartHook, ADeletedPodDoesNotWaitForIt) {
  HookWorld world(kHooked);
  world.started("web", HookPhase::kBegun).remove();
  EXPECT_EQ(world.text(), "RunHook web preStop\nwait: preStop hook of container web\nwake in 30s\n");
  EXPECT_TRUE(world.status().container_statuses[0].state.running);
}

// ---- preStop ----

TEST(PreStopHook, ComesBeforeTheSignalAndCountsAgainstTheGracePeriod) {
  HookWorld world(kHooked);
  world.started().remove(seconds(30));
  const Plan plan = world.plan();
  const auto& hook = std::get<RunHook>(plan.actions.at(0));
  EXPECT_EQ(hook.why, "Stopping container web");
  EXPECT_EQ(hook.until, world.now + seconds(30));
  world.apply(plan);
  world.pass(seconds(12));
  EXPECT_EQ(world.text(), "wait: preStop hook of container web\nwake in 18s\n");
  world.instance().pre_stop.phase = HookPhase::kFailed;  // the termination goes on
  EXPECT_EQ(world.text(),
            "StopContainer web signal 15 grace 18s\nwait: container web to stop\nwake in 23s\n");
  world.apply(world.plan());
  world.end("web", 0);
  EXPECT_EQ(world.text(), "TearDown\nReleasePod\n");
}

TEST(PreStopHook, EndsWithTheGracePeriodAndTheContainerGetsTwoSecondsMore) {
  HookWorld world(kHooked);
  world.started().remove(seconds(5));
  world.apply(world.plan());
  world.pass(seconds(5));
  EXPECT_EQ(world.text(), "StopContainer web signal 15 grace 2s\nwait: container web to stop\nwake in 7s\n");
}

TEST(PreStopHook, DoesNotRunWithoutAGracePeriod) {
  HookWorld world(kHooked);
  world.started().remove(seconds(0));
  EXPECT_EQ(world.text(), "StopContainer web signal 15 grace 2s\nwait: container web to stop\nwake in 7s\n");
}

TEST(PreStopHook, AShorterGracePeriodShortensItAndALongerOneDoesNot) {
  HookWorld world(kHooked);
  world.started().remove(seconds(30));
  world.apply(world.plan());
  world.record.deletion->grace = seconds(60);
  EXPECT_EQ(world.text(), "wait: preStop hook of container web\nwake in 30s\n");
  world.record.deletion->grace = seconds(10);
  const Plan plan = world.plan();
  EXPECT_EQ(std::get<RunHook>(plan.actions.at(0)).why, "") << "Killing is told once";
  EXPECT_EQ(renderPlan(plan, world.now),
            "RunHook web preStop\nwait: preStop hook of container web\nwake in 10s\n");
  world.apply(plan);
  EXPECT_EQ(world.text(), "wait: preStop hook of container web\nwake in 10s\n");
  world.record.deletion->grace = seconds(0);
  EXPECT_EQ(world.text(), "StopContainer web signal 15 grace 2s\nwait: container web to stop\nwake in 7s\n");
}

TEST(PreStopHook, OfSidecarsBeginTogetherAndTheirSignalsKeepTheirOrder) {
  HookWorld world(R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  initContainers:
  - {name: proxy, image: "proxy:1", restartPolicy: Always, lifecycle: {preStop: {exec: {command: [drain]}}}}
  containers:
  - {name: web, image: "nginx:1", lifecycle: {preStop: {exec: {command: [bye]}}}}
)");
  world.started("proxy").started("web").remove(seconds(30));
  EXPECT_EQ(world.text(),
            "RunHook proxy preStop\nRunHook web preStop\nwait: preStop hook of container proxy\n"
            "wait: preStop hook of container web\nwake in 30s\n");
  world.apply(world.plan());
  world.instance("proxy").pre_stop.phase = HookPhase::kDone;
  EXPECT_EQ(world.text(),
            "wait: container proxy to stop\nwait: preStop hook of container web\nwake in 30s\n");
  world.instance("web").pre_stop.phase = HookPhase::kDone;
  world.apply(world.plan());
  EXPECT_TRUE(world.instance("web").kill_at);
  EXPECT_FALSE(world.instance("proxy").kill_at);
  world.pass(seconds(3)).end("web", 0);
  EXPECT_EQ(world.text(),
            "StopContainer proxy signal 15 grace 27s\nwait: container proxy to stop\nwake in 32s\n");
}

TEST(PreStopHook, RunsBeforeAReplacementWithTheGracePeriodOfTheProbeThatFailed) {
  HookWorld world(R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: web
    image: nginx:1
    livenessProbe: {exec: {command: ["true"]}, terminationGracePeriodSeconds: 7}
    lifecycle: {preStop: {exec: {command: [bye]}}}
)");
  world.started().instance().failed_probe = "liveness";
  const Plan plan = world.plan();
  EXPECT_EQ(std::get<RunHook>(plan.actions.at(0)).why,
            "Container web failed liveness probe, will be restarted");
  world.apply(plan);
  world.pass(seconds(3));
  EXPECT_EQ(world.text(), "wait: preStop hook of container web\nwake in 4s\n");
  world.pass(seconds(4));
  EXPECT_EQ(world.text(), "StopContainer web signal 15 grace 2s\nwait: grace period of container web\n");
}

TEST(PreStopHook, OfAReplacementIsNotRunAgainByADeletion) {
  HookWorld world(kHooked);
  world.started();
  world.pod.spec.containers[0].image = "nginx:2";
  world.apply(world.plan());
  world.pass(seconds(10)).remove(seconds(60));
  EXPECT_EQ(world.text(), "wait: preStop hook of container web\nwake in 20s\n");
}

TEST(PreStopHook, DoesNotRunInWhatHasExited) {
  HookWorld world(kHooked);
  world.started().end("web", 0).remove();
  EXPECT_EQ(world.text(), "TearDown\nReleasePod\n");
}

}  // namespace
}  // namespace keelson::kubelet
