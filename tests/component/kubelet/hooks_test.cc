// Lifecycle hooks, from the spec to the container and back into the status, and over restarts of the daemon.
#include "tests/component/kubelet/kubelet_fixture.h"

namespace keelson::kubelet {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Stops = std::vector<std::pair<int, Duration>>;

struct Hooks : KubeletFixture {
  Guarded<std::map<std::string, int>> exits;  // by command; others exit 0

  Hooks() {
    runtime.onExec([this](const ContainerId&, const std::vector<std::string>& command) {
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
  void writeWeb(const std::string& lifecycle, const std::string& spec = "") {
    write("web.yaml",
          podText("web", spec, "image: 'nginx:1', command: [serve], lifecycle: {" + lifecycle + "}"));
  }
  size_t commands() const {
    const auto calls = runtime.calls();
    return static_cast<size_t>(std::count_if(
        calls.begin(), calls.end(), [](const std::string& call) { return call.rfind("exec ", 0) == 0; }));
  }
  bool untilHeld(size_t count) {
    return runUntil("a command is under way", [&] { return runtime.heldExecs().size() == count; });
  }
  Stops stops(const PodUid& id) const {
    const auto pod = runtime.pod(id);
    return pod && !pod->containers.empty() ? pod->containers.at(0).stops : Stops{};
  }
  bool untilStopped(const PodUid& id, size_t count) {
    return runUntil("told to stop", [&] { return stops(id).size() >= count; });
  }
  bool untilGone() {
    return runUntil("web is gone", [&] { return !view("web"); });
  }
  size_t events(const std::string& reason) const {
    size_t count = 0;
    for (const auto& event : view("web")->events) count += event.reason == reason;
    return count;
  }
};

constexpr char kPostStart[] = "postStart: {exec: {command: [hello]}}";
constexpr char kPreStop[] = "preStop: {exec: {command: [bye]}}";

TEST_F(Hooks, AContainerRunsOnceItsPostStartHookHasEnded) {
  runtime.holdExecs(true);
  start();
  writeWeb(kPostStart);
  ASSERT_TRUE(untilHeld(1));
  ASSERT_TRUE(
      runUntil("shown", [&] { return view("web")->current_wait == "postStart hook of container web"; }));
  EXPECT_EQ(waitingReason("web"), "ContainerCreating");
  runtime.endExecs({0, false, ""});
  ASSERT_TRUE(untilRunning("web"));
  EXPECT_TRUE(container("web")->ready);
  EXPECT_EQ(commands(), 1u);
}

TEST_F(Hooks, AFailedPostStartHookRestartsTheContainer) {
  answer("hello", 3);
  runtime.onStop("web", fakes::OnStop::kIgnores);
  start();
  writeWeb(kPostStart);
  ASSERT_TRUE(runUntil("it fails", [&] { return waitingReason("web") == "PostStartHookError"; }));
  EXPECT_EQ(container("web")->state.waiting->message,
            "Exec lifecycle hook ([hello]) for Container \"web\" in Pod \"web-node1_default(" +
                uid("web").str() + ")\" failed - error: command 'hello' exited with 3: , message: \"\"");
  EXPECT_TRUE(hasEvent("web", "FailedPostStartHook", "PostStartHook failed"));
  ASSERT_TRUE(runUntil("it is told", [&] { return hasEvent("web", "Killing", "FailedPostStartHook"); }));
  answer("hello", 0);
  ASSERT_TRUE(untilStopped(uid("web"), 1));
  pass(seconds(30));
  ASSERT_TRUE(untilRunning("web", 1));
  EXPECT_EQ(container("web")->last_state.terminated->exit_code, 137);
}

TEST_F(Hooks, APreStopHookComesBeforeTheSignal) {
  start();
  writeWeb(kPreStop);
  ASSERT_TRUE(untilRunning("web"));
  const PodUid id = uid("web");
  runtime.holdExecs(true);
  remove("web.yaml");
  ASSERT_TRUE(untilHeld(1));
  EXPECT_EQ(stops(id), (Stops{{0, seconds(32)}})) << "SIGKILL is armed, no signal is sent";
  ASSERT_TRUE(runUntil("shown", [&] { return hasEvent("web", "Killing", "Stopping container web"); }));
  EXPECT_EQ(view("web")->current_wait, "preStop hook of container web");
  clock.advance(seconds(10));
  runtime.onStop("web", fakes::OnStop::kIgnores);
  runtime.endExecs({0, false, ""});
  ASSERT_TRUE(untilStopped(id, 2));
  EXPECT_EQ(stops(id).at(1), (std::pair<int, Duration>{15, seconds(20)}));
  ASSERT_TRUE(runUntil("shown", [&] { return view("web")->current_wait == "container web to stop"; }));
  EXPECT_EQ(events("Killing"), 1u);
  EXPECT_EQ(events("FailedPreStopHook"), 0u);
  pass(seconds(20));
  ASSERT_TRUE(untilGone());
  EXPECT_EQ(leftovers(), "");
}

TEST_F(Hooks, ATerminationGoesOnAfterAFailedPreStopHook) {
  answer("bye", 1);
  start();
  runtime.onStop("web", fakes::OnStop::kIgnores);
  writeWeb(kPreStop);
  ASSERT_TRUE(untilRunning("web"));
  const PodUid id = uid("web");
  remove("web.yaml");
  ASSERT_TRUE(untilStopped(id, 2));
  ASSERT_TRUE(runUntil("told", [&] { return hasEvent("web", "FailedPreStopHook", "PreStopHook failed"); }));
  pass(seconds(30));
  ASSERT_TRUE(untilGone());
}

TEST_F(Hooks, AHangingPreStopHookEndsWithTheGracePeriod) {
  start();
  writeWeb(kPreStop, "  terminationGracePeriodSeconds: 5\n");
  ASSERT_TRUE(untilRunning("web"));
  const PodUid id = uid("web");
  runtime.holdExecs(true);
  runtime.onStop("web", fakes::OnStop::kIgnores);
  remove("web.yaml");
  ASSERT_TRUE(untilHeld(1));
  pass(seconds(5));
  ASSERT_TRUE(untilStopped(id, 2));
  EXPECT_EQ(stops(id), (Stops{{0, seconds(7)}, {15, seconds(2)}}));
  ASSERT_TRUE(untilHeld(0));  // its command is killed
  pass(seconds(2));
  ASSERT_TRUE(untilGone());
}

TEST_F(Hooks, AContainerThatExitsEndsItsPreStopHook) {
  start();
  writeWeb(kPreStop);
  ASSERT_TRUE(untilRunning("web"));
  const PodUid id = uid("web");
  runtime.holdExecs(true);
  remove("web.yaml");
  ASSERT_TRUE(untilHeld(1));
  runtime.exitContainer(id, "web", 0);
  ASSERT_TRUE(untilGone());
  ASSERT_TRUE(untilHeld(0));
}

TEST_F(Hooks, ADeletionGivesUpThePostStartHook) {
  runtime.holdExecs(true);
  start();
  writeWeb(kPostStart);
  ASSERT_TRUE(untilHeld(1));
  remove("web.yaml");
  ASSERT_TRUE(untilGone());
  ASSERT_TRUE(untilHeld(0));
}

TEST_F(Hooks, ASleepTakesItsTimeAndNoCommand) {
  start();
  writeWeb("preStop: {sleep: {seconds: 0}}, postStart: {sleep: {seconds: 0}}");
  ASSERT_TRUE(untilRunning("web"));
  const PodUid id = uid("web");
  runtime.onStop("web", fakes::OnStop::kIgnores);
  remove("web.yaml");
  ASSERT_TRUE(untilStopped(id, 2));
  EXPECT_EQ(stops(id), (Stops{{0, seconds(32)}, {15, seconds(30)}}));
  EXPECT_EQ(commands(), 0u);
}

TEST_F(Hooks, ASleepOfAnEarlierLifeIsNotBegunAgain) {
  start();
  writeWeb("preStop: {sleep: {seconds: 25}}");
  ASSERT_TRUE(untilRunning("web"));
  const PodUid id = uid("web");
  runtime.onStop("web", fakes::OnStop::kIgnores);
  remove("web.yaml");
  ASSERT_TRUE(untilStopped(id, 1));
  stop();
  clock.advance(seconds(26));
  start();
  ASSERT_TRUE(untilStopped(id, 2));
  EXPECT_EQ(stops(id).at(1), (std::pair<int, Duration>{15, seconds(4)}));
}

TEST_F(Hooks, ATcpSocketHookDoesNothingAndSaysSo) {
  start();
  writeWeb("postStart: {tcpSocket: {port: 80}}");
  ASSERT_TRUE(untilRunning("web"));
  EXPECT_TRUE(hasEvent("web", "UnsupportedLifecycleHandler", "tcpSocket"));
}

// ---- restarts of the daemon ----

TEST_F(Hooks, AnEndedPostStartHookDoesNotRunAgain) {
  start();
  writeWeb(kPostStart);
  ASSERT_TRUE(untilRunning("web"));
  const auto before = view("web")->pod->status;
  restart();
  ASSERT_TRUE(untilRunning("web"));
  EXPECT_EQ(view("web")->pod->status, before);
  EXPECT_EQ(commands(), 1u);
}

TEST_F(Hooks, APostStartHookWhoseEndNobodySawRunsAgain) {
  runtime.holdExecs(true);
  start();
  writeWeb(kPostStart);
  ASSERT_TRUE(untilHeld(1));
  stop();
  EXPECT_EQ(runtime.heldExecs().size(), 0u);
  runtime.holdExecs(false);
  start();
  ASSERT_TRUE(untilRunning("web"));
  EXPECT_EQ(commands(), 2u);
  EXPECT_EQ(container("web")->restart_count, 0);
}

TEST_F(Hooks, AnEndedPreStopHookDoesNotRunAgainAndItsTimeStaysSpent) {
  start();
  writeWeb(kPreStop);
  ASSERT_TRUE(untilRunning("web"));
  const PodUid id = uid("web");
  runtime.onStop("web", fakes::OnStop::kIgnores);
  runtime.holdExecs(true);
  remove("web.yaml");
  ASSERT_TRUE(untilHeld(1));
  clock.advance(seconds(10));
  runtime.failNext("stopContainer", makeError(Code::kUnavailable, "the shim does not answer"));
  runtime.endExecs({0, false, ""});
  ASSERT_TRUE(runUntil("the stop fails", [&] { return hasEvent("web", "FailedKillPod"); }));
  runtime.holdExecs(false);
  restart();
  ASSERT_TRUE(untilStopped(id, 2));
  EXPECT_EQ(stops(id).at(1), (std::pair<int, Duration>{15, seconds(20)}));
  EXPECT_EQ(commands(), 1u);
}

TEST_F(Hooks, TheGracePeriodGoesOnWithoutTheDaemon) {
  start();
  writeWeb(kPreStop, "  terminationGracePeriodSeconds: 5\n");
  ASSERT_TRUE(untilRunning("web"));
  const PodUid id = uid("web");
  runtime.onStop("web", fakes::OnStop::kIgnores);
  runtime.holdExecs(true);
  remove("web.yaml");
  ASSERT_TRUE(untilHeld(1));
  stop();
  clock.advance(seconds(7));
  runtime.tick();
  EXPECT_FALSE(runtime.pod(id)->containers.at(0).observed.running) << "the shim ended it by itself";
  start();
  ASSERT_TRUE(runUntil("nothing is left", [&] { return leftovers().empty(); }));
  EXPECT_EQ(commands(), 1u);
}

TEST_F(Hooks, APreStopHookThatWasCutOffRunsAgainWithTheTimeThatIsLeft) {
  start();
  writeWeb(kPreStop);
  ASSERT_TRUE(untilRunning("web"));
  const PodUid id = uid("web");
  runtime.onStop("web", fakes::OnStop::kIgnores);
  runtime.holdExecs(true);
  remove("web.yaml");
  ASSERT_TRUE(untilHeld(1));
  stop();
  clock.advance(seconds(12));
  start();
  ASSERT_TRUE(untilHeld(1));
  EXPECT_EQ(stops(id), (Stops{{0, seconds(32)}})) << "the deadline stays what it was";
  runtime.endExecs({0, false, ""});
  ASSERT_TRUE(untilStopped(id, 2));
  EXPECT_EQ(stops(id).at(1), (std::pair<int, Duration>{15, seconds(18)}));
}

}  // namespace
}  // namespace keelson::kubelet
