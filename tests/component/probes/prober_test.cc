#include "probes/prober.h"

#include <gtest/gtest.h>

#include <deque>

namespace keelson::probes {
namespace {

using namespace std::chrono_literals;

// Commands answer at once with what the test put in; each run is noted.
class ScriptedExec final : public ExecProbes {
 public:
  explicit ScriptedExec(Loop& loop) : loop_(loop) {}
  AttemptPtr start(const PodUid&, const ContainerId& id, const std::vector<std::string>& command, Duration,
                   Done done) override {
    runs.push_back(id.str() + " " + command.front());
    Outcome outcome{Verdict::kSuccess, ""};
    auto& script = outcomes[command.front()];
    if (!script.empty()) {
      outcome = script.front();
      if (script.size() > 1) script.pop_front();
    }
    struct Pending final : Attempt {
      Registration timer;
    };
    auto pending = std::make_unique<Pending>();
    pending->timer = loop_.after(Duration{0}, [done = std::move(done), outcome] { done(outcome); });
    return pending;
  }
  std::map<std::string, std::deque<Outcome>> outcomes;  // by command; the last one stays
  std::vector<std::string> runs;

 private:
  Loop& loop_;
};

class Notes final : public ProbeListener {
 public:
  void onFinding(const Finding& finding) override {
    findings.push_back(fmt::format("{} {} {}", finding.id.str(), kindName(finding.kind), finding.success));
    changed();
  }
  void onEvent(const PodUid&, const std::string& container, const std::string& reason,
               const std::string& message) override {
    events.push_back(container + " " + reason + ": " + message);
    changed();
  }
  std::vector<std::string> findings, events;
  std::function<void()> changed = [] {};
};

struct World {
  Loop loop;
  ScriptedExec exec{loop};
  Notes notes;
  Prober prober{{loop, realClock()}, exec, notes};
  std::shared_ptr<api::Pod> pod = std::make_shared<api::Pod>();

  World() {
    pod->spec.containers.resize(1);
    pod->spec.containers[0].name = "c";
  }
  static api::Probe command(const std::string& name, int failures = 1) {
    api::Probe probe;
    probe.exec = api::ExecAction{{name}};
    probe.period_seconds = 1;
    probe.failure_threshold = failures;
    return probe;
  }
  Subject subject(const std::string& id) const {
    Subject made;
    made.id = ContainerId(id);
    made.pod = pod;
    made.container = "c";
    made.started_at = realClock().wall() - 1h;  // every look counts
    return made;
  }
  // Runs the loop until `until` holds after some news, at most 20 s.
  void run(std::function<bool()> until) {
    notes.changed = [this, until] {
      if (until()) loop.stop();
    };
    const Registration limit = loop.after(20s, [this] { loop.stop(); });
    loop.run();
  }
};

TEST(Prober, StartupGoesFirstAndTheOthersBeginAtOnceWhenItSucceeded) {
  World world;
  auto& container = world.pod->spec.containers[0];
  container.startup_probe = World::command("startup");
  container.liveness_probe = World::command("live");
  container.readiness_probe = World::command("ready");
  world.prober.setSubjects(PodUid("u"), {world.subject("i")});
  world.run([&] { return world.notes.findings.size() == 3; });
  EXPECT_EQ(world.exec.runs.front(), "i startup");
  EXPECT_EQ(world.notes.findings.front(), "i Startup true");
  EXPECT_EQ(world.exec.runs.size(), 3U);
}

TEST(Prober, AFailedStartupRestsAndTheOthersNeverBegin) {
  World world;
  auto& container = world.pod->spec.containers[0];
  container.startup_probe = World::command("startup");
  container.liveness_probe = World::command("live");
  world.exec.outcomes["startup"] = {{Verdict::kFailure, "not yet"}};
  world.prober.setSubjects(PodUid("u"), {world.subject("i")});
  world.run([&] { return !world.notes.findings.empty(); });
  EXPECT_EQ(world.notes.findings, std::vector<std::string>{"i Startup false"});
  EXPECT_EQ(world.notes.events, std::vector<std::string>{"c Unhealthy: Startup probe failed: not yet"});
  EXPECT_EQ(world.exec.runs, std::vector<std::string>{"i startup"});
}

TEST(Prober, AContainerThatWasJustStartedIsLookedAtOftenAndOnlySuccessCounts) {
  World world;
  world.pod->spec.containers[0].readiness_probe = World::command("ready");
  world.exec.outcomes["ready"] = {
      {Verdict::kFailure, "no"}, {Verdict::kFailure, "no"}, {Verdict::kSuccess, ""}};
  Subject subject = world.subject("i");
  subject.started_at = realClock().wall();
  const auto begin = std::chrono::steady_clock::now();
  world.prober.setSubjects(PodUid("u"), {subject});
  world.run([&] { return !world.notes.findings.empty(); });
  EXPECT_EQ(world.notes.findings, std::vector<std::string>{"i Readiness true"});
  EXPECT_TRUE(world.notes.events.empty());
  EXPECT_EQ(world.exec.runs.size(), 3U);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
}

TEST(Prober, OneThatDoesNotComeUpIsToldAfterASecond) {
  World world;
  world.pod->spec.containers[0].readiness_probe = World::command("ready");
  world.exec.outcomes["ready"] = {{Verdict::kFailure, "no"}};
  Subject subject = world.subject("i");
  subject.started_at = realClock().wall();
  world.prober.setSubjects(PodUid("u"), {subject});
  world.run([&] { return !world.notes.findings.empty(); });
  EXPECT_EQ(world.notes.findings, std::vector<std::string>{"i Readiness false"});
  EXPECT_EQ(world.notes.events.size(), 1U);
}

TEST(Prober, AFailedLivenessIsToldOnceAndANewInstanceIsLookedAtAfresh) {
  World world;
  world.pod->spec.containers[0].liveness_probe = World::command("live");
  world.exec.outcomes["live"] = {{Verdict::kFailure, "dead"}, {Verdict::kSuccess, ""}};
  world.prober.setSubjects(PodUid("u"), {world.subject("one")});
  world.notes.changed = [&] {
    if (world.notes.findings.size() == 1)
      world.loop.post([&] { world.prober.setSubjects(PodUid("u"), {world.subject("two")}); });
    if (world.notes.findings.size() == 2) world.loop.stop();
  };
  const Registration limit = world.loop.after(20s, [&] { world.loop.stop(); });
  world.loop.run();
  EXPECT_EQ(world.notes.findings, (std::vector<std::string>{"one Liveness false", "two Liveness true"}));
  EXPECT_EQ(world.exec.runs, (std::vector<std::string>{"one live", "two live"}));
}

TEST(Prober, AProbeThatCannotBeMadeIsTriedThreeTimesAndCountsAsNothing) {
  World world;
  world.pod->spec.containers[0].liveness_probe = World::command("live");
  world.exec.outcomes["live"] = {{Verdict::kError, "no such command"}};
  world.prober.setSubjects(PodUid("u"), {world.subject("i")});
  world.run([&] { return !world.notes.events.empty(); });
  EXPECT_EQ(world.exec.runs.size(), 3U);
  EXPECT_EQ(world.notes.events.front(),
            "c Unhealthy: Liveness probe errored and resulted in unknown state: no such command");
  EXPECT_TRUE(world.notes.findings.empty());
}

TEST(Prober, APodThatEndsIsLookedAtForReadinessOnly) {
  World world;
  auto& container = world.pod->spec.containers[0];
  container.liveness_probe = World::command("live");
  container.readiness_probe = World::command("ready");
  Subject subject = world.subject("i");
  subject.terminating = true;
  world.prober.setSubjects(PodUid("u"), {subject});
  world.run([&] { return !world.notes.findings.empty(); });
  EXPECT_EQ(world.exec.runs, std::vector<std::string>{"i ready"});
}

TEST(Prober, SubjectsThatAreGoneAreLeftAlone) {
  World world;
  world.pod->spec.containers[0].readiness_probe = World::command("ready");
  world.prober.setSubjects(PodUid("u"), {world.subject("i")});
  world.prober.setSubjects(PodUid("u"), {});
  EXPECT_EQ(world.prober.stats().probes, 0U);
  const Registration limit = world.loop.after(20ms, [&] { world.loop.stop(); });
  world.loop.run();
  EXPECT_TRUE(world.exec.runs.empty());
}

TEST(Prober, ResultsOfAnEarlierLifeHoldUntilTheyChange) {
  World world;
  auto& container = world.pod->spec.containers[0];
  container.startup_probe = World::command("startup");
  container.readiness_probe = World::command("ready", 2);
  Subject subject = world.subject("i");
  subject.started = true;
  subject.ready = true;
  world.exec.outcomes["ready"] = {{Verdict::kFailure, "no"}};
  world.prober.setSubjects(PodUid("u"), {subject});
  world.run([&] { return !world.notes.findings.empty(); });
  EXPECT_EQ(world.exec.runs, (std::vector<std::string>{"i ready", "i ready"}));
  EXPECT_EQ(world.notes.findings, std::vector<std::string>{"i Readiness false"});
}

}  // namespace
}  // namespace keelson::probes
