#include "kubelet/exec_probes.h"

#include "tests/component/kubelet/kubelet_fixture.h"

namespace keelson::kubelet {
namespace {

using probes::Verdict;

struct ExecProbesTest : KubeletFixture {
  // The outcome of a command in a running container whose exec answers so.
  probes::Outcome run(const runtime::ExecResult& answer) {
    if (!kubelet) {
      start();
      write("web.yaml", podText("web"));
      untilRunning("web-node1");
    }
    runtime.onExec([answer](const ContainerId&, const std::vector<std::string>&) { return answer; });
    const auto instance = kubelet->instance("default", "web-node1", "web", Kubelet::Which::kCurrent);
    EXPECT_TRUE(instance.ok());
    ExecProbes exec(loop, *volumes_lane, runtime);
    std::optional<probes::Outcome> outcome;
    auto attempt = exec.start(instance->uid, instance->id, {"check", "it"}, std::chrono::seconds(1),
                              [&](probes::Outcome given) { outcome = std::move(given); });
    EXPECT_FALSE(outcome) << "told from inside of start()";
    runUntil("the command ended", [&] { return outcome.has_value(); });
    return outcome.value_or(probes::Outcome{Verdict::kError, "never ended"});
  }
};

TEST_F(ExecProbesTest, TheExitCodeDecides) {
  EXPECT_EQ(run({0, false, ""}).verdict, Verdict::kSuccess);
  EXPECT_EQ(run({1, false, ""}).verdict, Verdict::kFailure);
}

TEST_F(ExecProbesTest, ATimeOutIsAFailureAndWhatCannotBeRunAnError) {
  const auto late = run({137, true, ""});
  EXPECT_EQ(late.verdict, Verdict::kFailure);
  EXPECT_EQ(late.text, "command timed out: \"check it\"");
  const auto absent = run({127, false, "exec check: ENOENT"});
  EXPECT_EQ(absent.verdict, Verdict::kError);
  EXPECT_EQ(absent.text, "exec check: ENOENT");
  runtime.failNext("exec", makeError(Code::kUnavailable, "the shim does not answer"));
  EXPECT_EQ(run({0, false, ""}).verdict, Verdict::kError);
}

}  // namespace
}  // namespace keelson::kubelet
