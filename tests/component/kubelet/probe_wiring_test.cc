// What probes find, from the command in the container to the pod's status, and over a restart of the daemon.
#include "tests/component/kubelet/kubelet_fixture.h"

namespace keelson::kubelet {
namespace {

using std::chrono::seconds;

struct ProbeWiring : KubeletFixture {
  Guarded<std::map<std::string, int>> exits;  // by command; others exit 0
  Guarded<std::set<std::string>> ran;         // commands

  ProbeWiring() {
    runtime.onExec([this](const ContainerId&, const std::vector<std::string>& command) {
      ran.with([&](auto& known) { known.insert(command.at(0)); });
      const int code = exits.with([&](const auto& known) {
        const auto found = known.find(command.at(0));
        return found == known.end() ? 0 : found->second;
      });
      return runtime::ExecResult{code, false, ""};
    });
  }
  void answer(const std::string& command, int code) {
    exits.with([&](auto& known) { known[command] = code; });
  }
  static std::string probe(const char* kind, const char* more = "") {
    return std::string(kind) + "Probe: {exec: {command: [" + kind +
           "]}, periodSeconds: 1, failureThreshold: 1" + more + "}";
  }
  void writeWeb(const std::string& probes, const std::string& spec = "") {
    write("web.yaml", podText("web", spec, "image: 'nginx:1', command: [serve], " + probes));
  }
  std::string condition(const std::string& type) const {
    const auto seen = view("web");
    if (!seen) return "";
    for (const auto& one : seen->pod->status.conditions)
      if (one.type == type) return one.status;
    return "";
  }
  bool untilReady(const char* status) {
    return runUntil(std::string("Ready is ") + status, [&] { return condition("Ready") == status; });
  }
  size_t callsOf(const std::string& method) const {
    const auto calls = runtime.calls();
    return static_cast<size_t>(std::count_if(
        calls.begin(), calls.end(), [&](const std::string& call) { return call.rfind(method, 0) == 0; }));
  }
};

TEST_F(ProbeWiring, ReadinessFollowsItsProbeAtOnce) {
  answer("readiness", 1);
  start();
  writeWeb(probe("readiness"));
  ASSERT_TRUE(runUntil("it fails", [&] { return hasEvent("web", "Unhealthy", "Readiness probe failed: "); }));
  EXPECT_FALSE(container("web")->ready);
  EXPECT_EQ(container("web")->started, true);
  answer("readiness", 0);
  ASSERT_TRUE(untilReady("True"));
  EXPECT_EQ(container("web")->restart_count, 0);
}

TEST_F(ProbeWiring, AContainerWithoutProbesIsReadyAtOnce) {
  start();
  writeWeb("env: []");
  ASSERT_TRUE(untilReady("True"));
  EXPECT_EQ(callsOf("exec"), 0u);
}

TEST_F(ProbeWiring, AFailedLivenessProbeRestartsTheContainer) {
  answer("liveness", 1);
  start();
  writeWeb(probe("liveness", ", terminationGracePeriodSeconds: 3"));
  ASSERT_TRUE(
      runUntil("it is restarted", [&] { return container("web") && container("web")->restart_count > 0; }));
  answer("liveness", 0);
  EXPECT_TRUE(hasEvent("web", "Unhealthy", "Liveness probe failed: "));
  EXPECT_TRUE(hasEvent("web", "Killing", "Container web failed liveness probe, will be restarted"));
  const auto pod = runtime.pod(uid("web"));
  EXPECT_EQ(pod->containers.at(0).stops, (std::vector<std::pair<int, Duration>>{{15, seconds(3)}}));
  EXPECT_EQ(container("web")->last_state.terminated->exit_code, 143);
}

TEST_F(ProbeWiring, StartupHoldsBackTheOtherProbes) {
  answer("startup", 1);
  start();
  writeWeb("startupProbe: {exec: {command: [startup]}, periodSeconds: 1, failureThreshold: 30}, " +
           probe("readiness") + ", " + probe("liveness"));
  ASSERT_TRUE(runUntil("it fails", [&] { return hasEvent("web", "Unhealthy", "Startup probe failed: "); }));
  EXPECT_EQ(container("web")->started, false);
  EXPECT_FALSE(container("web")->ready);
  EXPECT_EQ(ran.copy(), std::set<std::string>{"startup"});
  answer("startup", 0);
  ASSERT_TRUE(untilReady("True"));
  EXPECT_EQ(container("web")->started, true);
}

TEST_F(ProbeWiring, AFailedStartupProbeRestartsTheContainer) {
  answer("startup", 1);
  start();
  writeWeb(probe("startup"));
  ASSERT_TRUE(
      runUntil("it is restarted", [&] { return container("web") && container("web")->restart_count > 0; }));
  EXPECT_TRUE(hasEvent("web", "Killing", "Container web failed startup probe, will be restarted"));
}

TEST_F(ProbeWiring, ARestartOfTheDaemonChangesNoConditionUntilAProbeSaysOtherwise) {
  start();
  writeWeb(probe("readiness", ", initialDelaySeconds: 0") + ", " + probe("startup"));
  ASSERT_TRUE(untilReady("True"));
  const auto before = view("web")->pod->status;
  const size_t calls = callsOf("exec");
  clock.advance(seconds(60));
  answer("startup", 1);  // it has started: nobody asks again
  restart();
  ASSERT_TRUE(untilRunning("web"));
  EXPECT_EQ(view("web")->pod->status, before);
  ASSERT_TRUE(runUntil("it is probed again", [&] { return callsOf("exec") > calls; }));
  EXPECT_EQ(view("web")->pod->status, before);
  answer("readiness", 1);
  clock.advance(seconds(5));
  ASSERT_TRUE(untilReady("False"));
  EXPECT_EQ(container("web")->restart_count, 0);
}

TEST_F(ProbeWiring, AFindingThatTheLastLifeDidNotActOnIsActedOn) {
  answer("liveness", 1);
  start();
  writeWeb(probe("liveness"));
  runtime.failNext("stopContainer", makeError(Code::kUnavailable, "the shim does not answer"));
  ASSERT_TRUE(runUntil("the stop fails", [&] { return hasEvent("web", "FailedKillPod"); }));
  answer("liveness", 0);
  restart();
  ASSERT_TRUE(untilRunning("web", 1));
}

TEST_F(ProbeWiring, ATerminatingPodMayTurnUnreadyAndIsNotKilledByItsLivenessProbe) {
  start();
  runtime.onStop("web", fakes::OnStop::kIgnores);
  writeWeb(probe("readiness") + ", " + probe("liveness"));
  ASSERT_TRUE(untilReady("True"));
  remove("web.yaml");
  ASSERT_TRUE(runUntil("it is terminating", [&] { return view("web")->terminating; }));
  const PodUid id = uid("web");
  answer("readiness", 1);
  answer("liveness", 1);
  clock.advance(seconds(1));
  ASSERT_TRUE(untilReady("False"));
  EXPECT_FALSE(hasEvent("web", "Unhealthy", "Liveness"));
  EXPECT_EQ(runtime.pod(id)->containers.at(0).stops.size(), 1u);
  pass(seconds(30));
  ASSERT_TRUE(runUntil("it is gone", [&] { return !view("web"); }));
}

TEST_F(ProbeWiring, WhatAnEarlierInstanceFoundIsNotTheNextOnes) {
  start();
  writeWeb(probe("readiness"));
  ASSERT_TRUE(untilReady("True"));
  answer("readiness", 1);
  runtime.exitContainer(uid("web"), "web", 1);
  ASSERT_TRUE(untilRunning("web", 1));
  EXPECT_FALSE(container("web")->ready);
}

}  // namespace
}  // namespace keelson::kubelet
