// Containers from start to record.
#include <gmock/gmock.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/fs.h"
#include "runtime/wire.h"
#include "tests/root/runtime/shim_client.h"

namespace keelson::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;

std::string slurp(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

ROOT_TEST(Shim, RunsACommandAndKeepsItsExitOnDisk) {
  ShimPod pod(world);
  const auto record = pod.run(ShimPod::planFor("c1", "echo hello; echo oops >&2; exit 3"));
  EXPECT_EQ(record.exit_code, 3);
  EXPECT_EQ(record.signal, 0);
  EXPECT_FALSE(record.oom_killed);
  EXPECT_GT(record.started_at, 0);
  EXPECT_GE(record.finished_at, record.started_at);
  EXPECT_THAT(pod.rawLog("c1"), HasSubstr("Z stdout F hello\n"));
  EXPECT_THAT(pod.rawLog("c1"), HasSubstr("Z stderr F oops\n"));
  auto saved = runtime::decodeWire<runtime::ContainerRecord>(slurp(pod.runFolder() + "/exits/c1"));
  ASSERT_TRUE(saved.ok());
  EXPECT_EQ(runtime::encodeWire(*saved), runtime::encodeWire(record));

  Stop stop(kPatience);
  ASSERT_TRUE(pod.client().removeContainer(ContainerId("c1"), stop).ok());
  EXPECT_FALSE(pod.record("c1").has_value());
  EXPECT_FALSE(std::filesystem::exists(pod.runFolder() + "/exits/c1"));
}

ROOT_TEST(Shim, NamesItselfInThePidFile) {
  runtime::SandboxPlan plan;
  plan.boot_id = "boot-1";
  ShimPod pod(world, plan);
  EXPECT_THAT(slurp(pod.runFolder() + "/shim.pid"),
              MatchesRegex(std::to_string(pod.shimPid()) + " [0-9]+ boot-1\n"));
}

ROOT_TEST(Shim, ReportsTheSignalThatEndedAContainer) {
  ShimPod pod(world);
  ASSERT_TRUE(pod.start(ShimPod::planFor("c1", "sleep 1000")).ok());
  pod.stop("c1", SIGKILL, std::chrono::seconds(30));
  const auto record = pod.waitExit("c1");
  EXPECT_EQ(record.signal, SIGKILL);
  EXPECT_EQ(record.exit_code, 137);
}

ROOT_TEST(Shim, StopLetsTheContainerEndInItsOwnWay) {
  ShimPod pod(world);
  ASSERT_TRUE(
      pod.start(ShimPod::planFor("c1", "trap 'exit 7' TERM; echo ready; while :; do usleep 10000; done"))
          .ok());
  pod.waitLog("c1", "ready");
  pod.stop("c1", SIGTERM, std::chrono::seconds(30));
  EXPECT_EQ(pod.waitExit("c1").exit_code, 7);
}

ROOT_TEST(Shim, StopKillsTheWholeContainerAfterItsGrace) {
  ShimPod pod(world);
  ASSERT_TRUE(pod.start(ShimPod::planFor(
                            "c1", "trap '' TERM; sleep 1000 & sleep 1000 & echo ready; wait; sleep 1000"))
                  .ok());
  pod.waitLog("c1", "ready");
  pod.stop("c1", SIGTERM, std::chrono::hours(1));
  pod.stop("c1", SIGTERM, std::chrono::milliseconds(50));  // a later request shortens
  const auto record = pod.waitExit("c1");
  EXPECT_EQ(record.exit_code, 137);
  EXPECT_EQ(record.signal, SIGKILL);
  Stop stop(kPatience);
  EXPECT_TRUE(pod.cgroup("c1").waitEmpty(stop).ok());
}

ROOT_TEST(Shim, KillsWhatTheFirstProcessLeavesBehind) {
  runtime::SandboxPlan plan;
  plan.namespaces.host_pid = true;  // no pid namespace whose end would do it
  for (const Told told : {Told::kAll, Told::kUnifiedOnly, Told::kV1Only}) {
    ShimPod pod(world, plan, told);
    const std::string id = "c" + std::to_string(static_cast<int>(told));
    const auto record = pod.run(ShimPod::planFor(id, "(trap '' HUP; sleep 1000) & echo done"));
    EXPECT_EQ(record.exit_code, 0);
    EXPECT_EQ(record.error, "");
    Stop stop(kPatience);
    EXPECT_TRUE(pod.cgroup(id).waitEmpty(stop).ok());
    waitUntil("adopted orphans are reaped", [&] { return pod.childrenNamed("sleep").empty(); });
  }
}

ROOT_TEST(Shim, SeesAnOutOfMemoryKill) {
  ShimPod pod(world);
  const bool v2 = world.hierarchies.mode == kernel::CgroupMode::kV2;
  ASSERT_TRUE(pod.cgroup("c1").write("memory", v2 ? "memory.max" : "memory.limit_in_bytes", "16777216").ok());
  const auto record = pod.run(ShimPod::planFor("c1", "exec dd if=/dev/zero of=/dev/null bs=64M count=1"));
  EXPECT_TRUE(record.oom_killed);
  EXPECT_EQ(record.exit_code, 137);
}

struct StartFailure {
  const char* name;
  std::vector<std::string> args;
  std::string cwd;
  const char* text;
  Code code;
};

ROOT_TEST(Shim, AFailedStartSaysWhyAndLeavesNothing) {
  ShimPod pod(world);
  std::ofstream(pod.root() + "/plain") << "x";
  std::ofstream(pod.root() + "/text") << "no program";
  std::filesystem::permissions(pod.root() + "/text", std::filesystem::perms::all);
  const StartFailure failures[] = {
      {"f1",
       {"badcommand"},
       "/",
       "exec: \"badcommand\": executable file not found in $PATH",
       Code::kNotFound},
      {"f2",
       {"/nowhere"},
       "/",
       "exec: \"/nowhere\": stat /nowhere: no such file or directory",
       Code::kNotFound},
      {"f3", {"/plain"}, "/", "exec: \"/plain\": permission denied", Code::kInvalidArgument},
      {"f4", {"/bin"}, "/", "exec: \"/bin\": is a directory", Code::kInvalidArgument},
      {"f5", {"/text"}, "/", "exec /text: exec format error", Code::kInvalidArgument},
      {"f6", {"true"}, "/plain", "make working directory", Code::kInvalidArgument},
      {"f7", {}, "/", "no command specified", Code::kInvalidArgument},
  };
  for (const StartFailure& failure : failures) {
    auto plan = ShimPod::planFor(failure.name, "");
    plan.process.args = failure.args;
    plan.process.cwd = failure.cwd;
    const auto started = pod.start(plan);
    ASSERT_FALSE(started.ok()) << failure.name;
    EXPECT_THAT(started.error().text, HasSubstr(failure.text));
    EXPECT_EQ(started.error().code, failure.code) << started.error().text;
    EXPECT_FALSE(pod.record(failure.name).has_value());
    EXPECT_FALSE(pod.cgroup(failure.name).isPopulated());
  }
  EXPECT_EQ(pod.run(ShimPod::planFor("after", "exit 4")).exit_code, 4);
}

ROOT_TEST(Shim, RefusesAnIdTwice) {
  ShimPod pod(world);
  ASSERT_TRUE(pod.start(ShimPod::planFor("c1", "sleep 1000")).ok());
  const auto again = pod.start(ShimPod::planFor("c1", "true"));
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, Code::kAlreadyExists);
  Stop stop(kPatience);
  const auto removed = pod.client().removeContainer(ContainerId("c1"), stop);
  ASSERT_FALSE(removed.ok());
  EXPECT_EQ(removed.error().code, Code::kFailedPrecondition);
}

ROOT_TEST(Shim, ASecondConnectionReplacesTheFirst) {
  ShimPod pod(world);
  ASSERT_TRUE(pod.start(ShimPod::planFor("c1", "sleep 1000")).ok());
  auto first = std::move(pod.client());
  pod.reconnect();
  Stop stop(kPatience);
  EXPECT_FALSE(first.getState(stop).ok());
  ASSERT_TRUE(pod.record("c1").has_value());
  pod.stop("c1", SIGKILL, std::chrono::seconds(1));
  EXPECT_EQ(pod.waitExit("c1").exit_code, 137) << "the second connection is told of the exit";
}

ROOT_TEST(Shim, ContainersRunOnWithoutAnyConnectionAndExitsAreFoundLater) {
  ShimPod pod(world);
  ASSERT_TRUE(
      pod.start(ShimPod::planFor("c1", "while [ ! -e /go ]; do usleep 10000; done; echo went; exit 5")).ok());
  { [[maybe_unused]] const auto gone = std::move(pod.client()); }
  std::ofstream(pod.root() + "/go") << "";
  waitUntil("exit record", [&] { return std::filesystem::exists(pod.runFolder() + "/exits/c1"); });
  pod.reconnect();
  const auto record = pod.record("c1");
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->exit_code, 5);
  EXPECT_EQ(pod.log("c1"), "went\n");
}

ROOT_TEST(Shim, ItsDeathEndsItsContainers) {
  for (const bool share_pid : {false, true}) {
    runtime::SandboxPlan plan;
    plan.namespaces.share_pid = share_pid;
    ShimPod pod(world, plan);
    const std::string id = share_pid ? "shared" : "own";
    const auto record = pod.start(ShimPod::planFor(id, "sleep 1000"));
    ASSERT_TRUE(record.ok()) << record.error().text;
    auto process = kernel::Pidfd::open(record->pid);
    ASSERT_TRUE(process.ok());
    ASSERT_TRUE(pod.shim().signal(SIGKILL).ok());
    EXPECT_TRUE(process->waitEnd(kPatience).ok());
  }
}

ROOT_TEST(Shim, ShutdownEndsEverything) {
  runtime::SandboxPlan plan;
  plan.namespaces.share_pid = true;
  ShimPod pod(world, plan);
  ASSERT_TRUE(pod.start(ShimPod::planFor("c1", "trap '' TERM; sleep 1000")).ok());
  const auto writers = pod.childrenNamed("keelson-log"), inits = pod.childrenNamed("keelson-init");
  ASSERT_EQ(writers.size(), 1u);
  ASSERT_EQ(inits.size(), 1u);
  auto writer = kernel::Pidfd::open(writers[0]);
  auto pod_init = kernel::Pidfd::open(inits[0]);
  ASSERT_TRUE(writer.ok() && pod_init.ok());
  Stop stop(kPatience);
  ASSERT_TRUE(pod.client().shutdown(stop).ok());
  EXPECT_TRUE(pod.shim().waitEnd(kPatience).ok());
  EXPECT_TRUE(writer->waitEnd(kPatience).ok());
  EXPECT_TRUE(pod_init->waitEnd(kPatience).ok());
  EXPECT_TRUE(std::filesystem::exists(pod.runFolder() + "/exits/c1"));
  EXPECT_TRUE(pod.cgroup("c1").waitEmpty(stop).ok());
}

ROOT_TEST(Shim, AddsNoLineToTheHostsMountTable) {
  const std::string before = slurp("/proc/self/mountinfo");
  ShimPod pod(world);
  ASSERT_TRUE(pod.start(ShimPod::planFor("c1", "sleep 1000")).ok());
  Stop stop(kPatience);
  ASSERT_TRUE(pod.client().ensureTmpfs({"v", 0, 0777, 0}, stop).ok());
  EXPECT_EQ(slurp("/proc/self/mountinfo"), before);
  const std::string its = slurp("/proc/" + std::to_string(pod.shimPid()) + "/mountinfo");
  EXPECT_THAT(its, Not(HasSubstr(world.scratch)));
  EXPECT_EQ(std::count(its.begin(), its.end(), '\n'), 4) << its;  // root, proc, shm, tmpfs v
}

}  // namespace
}  // namespace keelson::test
