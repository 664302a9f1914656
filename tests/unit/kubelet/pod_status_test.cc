#include "kubelet/pod_status.h"

#include <algorithm>

#include "tests/unit/kubelet/pods.h"

namespace keelson::kubelet {
namespace {

const api::PodCondition& conditionOf(const api::PodStatus& status, const std::string& type) {
  static const api::PodCondition kNone;
  const auto found = std::find_if(status.conditions.begin(), status.conditions.end(),
                                  [&](const auto& condition) { return condition.type == type; });
  return found == status.conditions.end() ? kNone : *found;
}

// "Ready=False ContainersNotReady: containers with unready status: [web]"
std::string conditionText(const api::PodStatus& status, const std::string& type) {
  const auto& condition = conditionOf(status, type);
  std::string text = condition.status;
  if (!condition.reason.empty()) text += " " + condition.reason;
  if (!condition.message.empty()) text += ": " + condition.message;
  return text;
}

api::Pod twoContainers(const std::string& policy) {
  return podFrom("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  restartPolicy: " + policy +
                 "\n  containers:\n  - {name: a, image: 'nginx:1'}\n  - {name: b, image: 'nginx:1'}\n");
}

TEST(PodStatus, ANewPodIsPendingAndItsContainersAreBeingCreated) {
  PodWorld world(onePod());
  const auto status = world.status();
  EXPECT_EQ(status.phase, "Pending");
  EXPECT_EQ(status.container_statuses[0].state.waiting->reason, "ContainerCreating");
  EXPECT_EQ(status.container_statuses[0].started, false);
  EXPECT_EQ(status.qos_class, "BestEffort");
  EXPECT_EQ(status.start_time, kNow);
  EXPECT_EQ(status.host_ips, std::vector<std::string>{"192.0.2.1"});
  EXPECT_TRUE(status.pod_ips.empty());
  EXPECT_EQ(conditionText(status, "PodReadyToStartContainers"), "False");
  EXPECT_EQ(conditionText(status, "Initialized"), "True");
  EXPECT_EQ(conditionText(status, "Ready"),
            "False ContainersNotReady: containers with unready status: [web]");
  EXPECT_EQ(conditionText(status, "ContainersReady"),
            "False ContainersNotReady: containers with unready status: [web]");
  EXPECT_EQ(conditionText(status, "PodScheduled"), "True");
}

TEST(PodStatus, ARunningPodIsReady) {
  PodWorld world(onePod());
  world.images().sandbox();
  world.apply(world.plan());
  const auto status = world.status();
  EXPECT_EQ(status.phase, "Running");
  const auto& container = status.container_statuses[0];
  EXPECT_EQ(container.state.running->started_at, kNow);
  EXPECT_TRUE(container.ready);
  EXPECT_EQ(container.started, true);
  EXPECT_EQ(container.restart_count, 0);
  EXPECT_EQ(container.container_id, "keelson://web-0");
  EXPECT_EQ(status.pod_ips, std::vector<std::string>{"10.244.0.2"});
  for (const char* type :
       {"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"}) {
    EXPECT_EQ(conditionText(status, type), "True") << type;
  }
}

TEST(PodStatus, ConditionsStandInKubectlsOrder) {
  PodWorld world(onePod());
  std::vector<std::string> types;
  for (const auto& condition : world.status().conditions) types.push_back(condition.type);
  EXPECT_EQ(types, (std::vector<std::string>{"PodReadyToStartContainers", "Initialized", "Ready",
                                             "ContainersReady", "PodScheduled"}));
}

TEST(PodStatus, ATransitionTimeMovesOnlyWithItsCondition) {
  PodWorld world(onePod());
  world.images().sandbox();
  world.record.conditions = world.status().conditions;
  world.pass(seconds(5));
  world.apply(world.plan());
  auto status = world.status();
  EXPECT_EQ(conditionOf(status, "Ready").last_transition_time, kNow + seconds(5));
  EXPECT_EQ(conditionOf(status, "PodScheduled").last_transition_time, kNow);
  world.record.conditions = status.conditions;
  world.pass(seconds(5));
  EXPECT_EQ(conditionOf(world.status(), "Ready").last_transition_time, kNow + seconds(5));
}

struct PhaseCase {
  const char* name;
  const char* policy;
  int a;  // exit code, -1 runs, -2 not started
  int b;
  const char* phase;
};

TEST(PodStatus, PhaseFollowsTheContainers) {
  constexpr int kRuns = -1, kNew = -2;
  const PhaseCase cases[] = {
      {"none started", "Always", kNew, kNew, "Pending"},
      {"one started", "Always", kRuns, kNew, "Pending"},
      {"both run", "Always", kRuns, kRuns, "Running"},
      {"one restarts", "Always", 1, kRuns, "Running"},
      {"both restart", "Always", 1, 0, "Running"},
      {"one done", "Never", 0, kRuns, "Running"},
      {"all done", "Never", 0, 0, "Succeeded"},
      {"one failed", "Never", 0, 1, "Failed"},
      {"all done on failure", "OnFailure", 0, 0, "Succeeded"},
      {"one failed, to be retried", "OnFailure", 0, 1, "Running"},
  };
  for (const auto& one : cases) {
    PodWorld world(twoContainers(one.policy));
    world.images().sandbox();
    const auto put = [&](const char* name, int code) {
      if (code == kRuns) world.running(name);
      if (code >= 0) world.exited(name, code);
    };
    put("a", one.a);
    put("b", one.b);
    EXPECT_EQ(world.status().phase, one.phase) << one.name;
  }
}

TEST(PodStatus, ATerminalPhaseStays) {
  PodWorld world(onePod("Never"));
  world.images().sandbox().exited("web", 0);
  EXPECT_EQ(world.status().phase, "Succeeded");
  world.observed.runtime = {};
  const auto status = world.status();
  EXPECT_EQ(status.phase, "Succeeded");
  EXPECT_EQ(status.container_statuses[0].state.terminated->reason, "Completed");
  EXPECT_EQ(conditionText(status, "Ready"), "False PodCompleted");
  EXPECT_EQ(conditionText(status, "Initialized"), "True");
  EXPECT_EQ(status.pod_ips, std::vector<std::string>{"10.244.0.2"});
}

TEST(PodStatus, ADeletedPodEndsFailedUnlessAllSucceeded) {
  PodWorld pending(onePod());
  pending.remove();
  EXPECT_EQ(pending.status().phase, "Failed");
  PodWorld killed(onePod());
  killed.images().sandbox().exited("web", 143).fold().remove();
  killed.observed.runtime = {};
  EXPECT_EQ(killed.status().phase, "Failed");
  PodWorld well(onePod());
  well.images().sandbox().exited("web", 0).fold().remove();
  well.observed.runtime = {};
  EXPECT_EQ(well.status().phase, "Succeeded");
}

TEST(PodStatus, ShowsCrashLoopBackOffWithKubeletsMessage) {
  PodWorld world(onePod());
  world.images().sandbox().exited("web", 1);
  world.apply(world.plan());
  world.pass(seconds(1)).end("web", 137, 9, true);
  const auto container = world.status().container_statuses[0];
  EXPECT_EQ(container.state.waiting->reason, "CrashLoopBackOff");
  EXPECT_EQ(container.state.waiting->message,
            "back-off 10s restarting failed container=web pod=web_default(uid-1)");
  EXPECT_EQ(container.last_state.terminated->reason, "OOMKilled");
  EXPECT_EQ(container.last_state.terminated->exit_code, 137);
  EXPECT_EQ(container.restart_count, 1);
  EXPECT_FALSE(container.ready);
}

TEST(PodStatus, TheLastStateOfARunningContainerIsItsPreviousInstance) {
  PodWorld world(onePod());
  world.images().sandbox().exited("web", 7);
  world.apply(world.plan());
  const auto container = world.status().container_statuses[0];
  EXPECT_TRUE(container.state.running);
  EXPECT_EQ(container.last_state.terminated->exit_code, 7);
  EXPECT_EQ(container.last_state.terminated->container_id, "keelson://web-0");
}

TEST(PodStatus, AnInstanceThatIsNowhereHasAnUnknownEnd) {
  PodWorld world(onePod("Never"));
  world.images().sandbox().running("web").fold();
  world.observed.runtime = {};
  const auto state = world.status().container_statuses[0].state;
  EXPECT_EQ(state.terminated->reason, "ContainerStatusUnknown");
  EXPECT_EQ(state.terminated->exit_code, 137);
}

TEST(PodStatus, AContainerThatCouldNotStartHasAStartError) {
  PodWorld world(onePod("Never"));
  world.images().sandbox().exited("web", 128);
  world.observed.runtime.containers[0].started = false;
  world.observed.runtime.containers[0].error = "exec /nope: ENOENT";
  const auto state = world.status().container_statuses[0].state;
  EXPECT_EQ(state.terminated->reason, "StartError");
  EXPECT_EQ(state.terminated->message, "exec /nope: ENOENT");
}

TEST(PodStatus, WaitingReasonsOfImages) {
  struct Case {
    const char* policy;
    ImageState state;
    bool failed;
    Duration after;
    const char* reason;
    const char* message;
  };
  const Case cases[] = {
      {"IfNotPresent", ImageState::kPulling, false, seconds(0), "ContainerCreating", ""},
      {"IfNotPresent", ImageState::kAbsent, true, seconds(1), "ErrImagePull", "no route"},
      {"IfNotPresent", ImageState::kAbsent, true, seconds(5), "ImagePullBackOff",
       "Back-off pulling image \"nginx:1\": ErrImagePull: no route"},
      {"Never", ImageState::kAbsent, false, seconds(0), "ErrImageNeverPull",
       "Container image \"nginx:1\" is not present with pull policy of Never"},
      {"IfNotPresent", ImageState::kBadName, false, seconds(0), "InvalidImageName",
       "Failed to apply default image tag \"nginx:1\": bad"},
      {"IfNotPresent", ImageState::kUnreadable, false, seconds(0), "ImageInspectError",
       "Failed to inspect image \"nginx:1\": bad"},
  };
  for (const auto& one : cases) {
    PodWorld world(onePod());
    world.pod.spec.containers[0].image_pull_policy = one.policy;
    world.sandbox();
    world.observed.images["web"] = {one.state, "bad"};
    if (one.failed) world.record.pulls["nginx:1"] = {{seconds(10), kNow}, kNow, "ErrImagePull", "no route"};
    world.pass(one.after);
    const auto waiting = world.status().container_statuses[0].state.waiting;
    ASSERT_TRUE(waiting) << one.reason;
    EXPECT_EQ(waiting->reason, one.reason);
    EXPECT_EQ(waiting->message, one.message);
  }
}

TEST(PodStatus, WaitingReasonsOfFailedStarts) {
  PodWorld world(onePod());
  world.images().sandbox();
  world.observed.start_failures["web"] = {"CreateContainerConfigError", "env X: no", seconds(1), kNow};
  const auto waiting = world.status().container_statuses[0].state.waiting;
  EXPECT_EQ(waiting->reason, "CreateContainerConfigError");
  EXPECT_EQ(waiting->message, "env X: no");
}

TEST(PodStatus, InitContainersHoldThePodPending) {
  PodWorld world(podFrom(R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  initContainers: [{name: first, image: 'nginx:1'}]
  containers: [{name: web, image: 'nginx:1'}]
)"));
  world.images().sandbox().running("first");
  auto status = world.status();
  EXPECT_EQ(status.phase, "Pending");
  EXPECT_EQ(status.container_statuses[0].state.waiting->reason, "PodInitializing");
  EXPECT_EQ(conditionText(status, "Initialized"),
            "False ContainersNotInitialized: containers with incomplete status: [first]");
  EXPECT_FALSE(status.init_container_statuses[0].ready);
  world.end("first", 0);
  status = world.status();
  EXPECT_TRUE(status.init_container_statuses[0].ready);
  EXPECT_EQ(conditionText(status, "Initialized"), "True");
}

TEST(PodStatus, SidecarsCountForReadiness) {
  PodWorld world(podFrom(R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  initContainers: [{name: proxy, image: 'nginx:1', restartPolicy: Always}]
  containers: [{name: web, image: 'nginx:1'}]
)"));
  world.images().sandbox().running("proxy").running("web");
  EXPECT_EQ(conditionText(world.status(), "Ready"), "True");
  world.end("proxy", 1);
  const auto status = world.status();
  EXPECT_EQ(conditionText(status, "Ready"),
            "False ContainersNotReady: containers with unready status: [proxy]");
  EXPECT_EQ(conditionText(status, "Initialized"), "True");  // for good, once app containers have run
  EXPECT_EQ(status.phase, "Running");
}

TEST(PodStatus, ProbesDecideOverReadinessAndStart) {
  PodWorld world(podFrom(R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: web
    image: nginx:1
    readinessProbe: {exec: {command: ['true']}}
    startupProbe: {exec: {command: ['true']}}
)"));
  world.images().sandbox().running("web");
  auto container = world.status().container_statuses[0];
  EXPECT_FALSE(container.ready);
  EXPECT_EQ(container.started, false);
  InstanceRecord& instance = *world.record.containers["web"].current;
  instance.ready = true;
  EXPECT_FALSE(world.status().container_statuses[0].ready) << "it has not started yet";
  instance.started = true;
  container = world.status().container_statuses[0];
  EXPECT_TRUE(container.ready);
  EXPECT_EQ(container.started, true);
}

TEST(PodStatus, AReadinessGateWithoutConditionKeepsThePodUnready) {
  PodWorld world(onePod("Always", "  readinessGates: [{conditionType: example.com/up}]\n"));
  world.images().sandbox().running("web");
  const auto status = world.status();
  EXPECT_EQ(conditionText(status, "ContainersReady"), "True");
  EXPECT_EQ(conditionText(status, "Ready"),
            "False ReadinessGatesNotReady: corresponding condition of pod readiness gate \"example.com/up\" "
            "does not "
            "exist.");
}

TEST(PodStatus, ARejectedPodShowsReasonAndNoContainers) {
  PodWorld world(onePod());
  world.record.admission = Admission{false, "NodeAffinity", "Pod was rejected: no"};
  const auto status = world.status();
  EXPECT_EQ(status.phase, "Failed");
  EXPECT_EQ(status.reason, "NodeAffinity");
  EXPECT_EQ(status.message, "Pod was rejected: no");
  EXPECT_TRUE(status.container_statuses.empty());
}

// ---- events that follow from the status ----

std::vector<std::string> eventTexts(const std::vector<Event>& events) {
  std::vector<std::string> texts;
  for (const auto& event : events) texts.push_back(event.type + " " + event.reason + " " + event.message);
  return texts;
}

TEST(StatusEvents, BackOffIsToldOnceForEachWait) {
  PodWorld world(onePod());
  world.images().sandbox().exited("web", 1);
  const auto before = world.status();
  world.apply(world.plan());
  world.end("web", 1);
  const auto after = world.status();
  const auto events = statusEvents(world.pod, before, after, world.now);
  EXPECT_EQ(eventTexts(events),
            std::vector<std::string>{
                "Warning BackOff Back-off restarting failed container web in pod web_default(uid-1)"});
  EXPECT_EQ(events[0].field_path, "spec.containers{web}");
  EXPECT_TRUE(statusEvents(world.pod, after, after, world.now).empty());
}

TEST(StatusEvents, ImagesThatDoNotCome) {
  PodWorld world(onePod());
  world.sandbox();
  const auto before = world.status();
  world.record.pulls["nginx:1"] = {{seconds(10), kNow}, kNow, "ErrImagePull", "no route"};
  world.observed.images["web"] = {ImageState::kAbsent, ""};
  world.pass(seconds(4));
  EXPECT_EQ(eventTexts(statusEvents(world.pod, before, world.status(), world.now)),
            (std::vector<std::string>{"Normal BackOff Back-off pulling image \"nginx:1\"",
                                      "Warning Failed Error: ImagePullBackOff"}));
}

TEST(StatusEvents, ARejectionIsAWarningWithItsReason) {
  PodWorld world(onePod());
  world.record.admission = Admission{false, "OutOfcpu", "Pod was rejected: full"};
  EXPECT_EQ(eventTexts(statusEvents(world.pod, {}, world.status(), world.now)),
            std::vector<std::string>{"Warning OutOfcpu Pod was rejected: full"});
}

}  // namespace
}  // namespace keelson::kubelet
