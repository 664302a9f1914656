// Commands in running containers.
#include <gmock/gmock.h>
#include <poll.h>

#include <filesystem>
#include <fstream>

#include "base/fs.h"
#include "tests/root/runtime/shim_client.h"

namespace keelson::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> execCgroups(ShimPod& pod) {
  std::vector<std::string> found;
  const DirFd* unified = pod.cgroup("c1").unified();
  if (unified == nullptr) return found;
  auto entries = unified->list();
  for (const DirEntry& entry : *entries)
    if (entry.name.starts_with("exec-")) found.push_back(entry.name);
  return found;
}

ROOT_TEST(ShimExec, RunsInTheContainersWorld) {
  runtime::SandboxPlan sandbox;
  sandbox.hostname = "pod-host";
  ShimPod pod(world, sandbox);
  ASSERT_TRUE(pod.start(ShimPod::planFor("c1", "touch /tmp/here; echo ready; sleep 1000")).ok());
  pod.waitLog("c1", "ready");
  const auto output = pod.exec("c1", {"sh", "-c",
                                      "hostname; ls /tmp; echo err >&2; readlink /proc/1/ns/pid; "
                                      "readlink /proc/self/ns/pid; exit 9"});
  EXPECT_EQ(output.outcome.exit_code, 9);
  EXPECT_EQ(output.err, "err\n");
  EXPECT_THAT(output.out, ::testing::StartsWith("pod-host\nhere\n"));
  const std::string namespaces = output.out.substr(14);
  EXPECT_EQ(namespaces.substr(0, namespaces.size() / 2), namespaces.substr(namespaces.size() / 2));
  waitUntil("no exec cgroup", [&] { return execCgroups(pod).empty(); });
}

ROOT_TEST(ShimExec, SpeaksOfCommandsThatCannotRunAsShellsDo) {
  ShimPod pod(world);
  ASSERT_TRUE(pod.start(ShimPod::planFor("c1", "sleep 1000")).ok());
  std::ofstream(pod.root() + "/plain") << "x";
  auto output = pod.exec("c1", {"badcommand"});
  EXPECT_EQ(output.outcome.exit_code, 127);
  EXPECT_EQ(output.outcome.error, "exec: \"badcommand\": executable file not found in $PATH");
  output = pod.exec("c1", {"/plain"});
  EXPECT_EQ(output.outcome.exit_code, 126);
  EXPECT_EQ(output.outcome.error, "exec: \"/plain\": permission denied");
  waitUntil("no exec cgroup", [&] { return execCgroups(pod).empty(); });
}

ROOT_TEST(ShimExec, ATimeOutEndsTheCommandWithItsChildren) {
  ShimPod pod(world);
  ASSERT_TRUE(pod.start(ShimPod::planFor("c1", "sleep 1000")).ok());
  const auto output = pod.exec("c1", {"sh", "-c", "sleep 1000 & (sleep 1000 &) ; echo started; sleep 1000"},
                               std::chrono::milliseconds(300));
  EXPECT_TRUE(output.outcome.timed_out);
  EXPECT_EQ(output.outcome.exit_code, 137);
  EXPECT_EQ(output.out, "started\n") << "end-of-file here proves that the children are gone";
  waitUntil("no exec cgroup",
            [&] { return pod.exec("c1", {"true"}).outcome.exit_code == 0 && execCgroups(pod).empty(); });
  EXPECT_TRUE(pod.record("c1")->running);
}

ROOT_TEST(ShimExec, ATimeOutWithoutTheV2HierarchyEndsTheFamily) {
  ShimPod pod(world, {}, Told::kV1Only);
  ASSERT_TRUE(pod.start(ShimPod::planFor("c1", "sleep 1000")).ok());
  const auto output =
      pod.exec("c1", {"sh", "-c", "sleep 1000 & sh -c 'sleep 1000; true' & echo started; wait"},
               std::chrono::milliseconds(300));
  EXPECT_TRUE(output.outcome.timed_out);
  EXPECT_EQ(output.out, "started\n") << "end-of-file here proves that the children are gone";
  EXPECT_TRUE(pod.record("c1")->running);
}

ROOT_TEST(ShimExec, ClosingTheCancelPipeEndsTheCommand) {
  ShimPod pod(world);
  ASSERT_TRUE(pod.start(ShimPod::planFor("c1", "sleep 1000")).ok());
  auto process = ShimPod::planFor("c1", "echo up; sleep 1000").process;
  auto handle = pod.startExec("c1", process);
  ASSERT_TRUE(handle.ok()) << handle.error().text;
  char text[3];
  ASSERT_EQ(read(handle->out.get(), text, 3), 3);
  handle->cancel.reset();
  const auto outcome = ShimPod::readOutcome(handle->result.get());
  EXPECT_EQ(outcome.exit_code, 137);
  EXPECT_FALSE(outcome.timed_out);
}

ROOT_TEST(ShimExec, WhatACommandLeavesRunningLivesOnUntilTheContainerEnds) {
  ShimPod pod(world);
  ASSERT_TRUE(pod.start(ShimPod::planFor("c1", "sleep 1000")).ok());
  const auto output = pod.exec("c1", {"sh", "-c", "sleep 1000 >/dev/null 2>&1 &"});
  EXPECT_EQ(output.outcome.exit_code, 0);
  EXPECT_THAT(pod.exec("c1", {"ps"}).out, HasSubstr("sleep 1000\n"));
  EXPECT_EQ(execCgroups(pod).size(), world.hierarchies.mode == kernel::CgroupMode::kV1 ? 0u : 1u);
  pod.stop("c1", SIGKILL, std::chrono::seconds(1));
  pod.waitExit("c1");
  Stop stop(kPatience);
  EXPECT_TRUE(pod.cgroup("c1").waitEmpty(stop).ok());
}

ROOT_TEST(ShimExec, GivesATerminal) {
  ShimPod pod(world);
  ASSERT_TRUE(pod.start(ShimPod::planFor("c1", "sleep 1000")).ok());
  auto process =
      ShimPod::planFor("c1", "tty; echo 'give me a line'; read line; echo got $line; exit 4").process;
  process.tty = true;
  auto handle = pod.startExec("c1", process);
  ASSERT_TRUE(handle.ok()) << handle.error().text;
  ASSERT_TRUE(handle->terminal.valid());
  std::string seen;
  bool answered = false;
  char buffer[256];
  for (ssize_t got = 0; (got = read(handle->terminal.get(), buffer, sizeof buffer)) > 0;) {
    seen.append(buffer, static_cast<size_t>(got));
    if (answered || seen.find("line\r\n") == std::string::npos) continue;
    answered = true;
    ASSERT_EQ(write(handle->terminal.get(), "hi\n", 3), 3);
  }
  EXPECT_THAT(seen, HasSubstr("/dev/pts/0\r\n"));
  EXPECT_THAT(seen, HasSubstr("got hi\r\n"));
  EXPECT_EQ(ShimPod::readOutcome(handle->result.get()).exit_code, 4);
}

ROOT_TEST(ShimExec, ATerminalThatCannotBeHadIsAnError) {
  ShimPod pod(world);
  ASSERT_TRUE(pod.start(ShimPod::planFor("c1", "mount -t tmpfs none /dev/pts 2>/dev/null; sleep 1000")).ok());
  auto process = ShimPod::planFor("c1", "true").process;
  process.tty = true;
  process.args = {"badcommand"};
  // The terminal comes first, so it is handed out; the result says what was wrong.
  auto handle = pod.startExec("c1", process);
  ASSERT_TRUE(handle.ok()) << handle.error().text;
  EXPECT_EQ(ShimPod::readOutcome(handle->result.get()).exit_code, 127);
}

ROOT_TEST(ShimExec, RefusesAContainerThatDoesNotRun) {
  ShimPod pod(world);
  pod.run(ShimPod::planFor("c1", "true"));
  const auto handle = pod.startExec("c1", ShimPod::planFor("c1", "true").process);
  ASSERT_FALSE(handle.ok());
  EXPECT_EQ(handle.error().code, Code::kFailedPrecondition);
}

ROOT_TEST(ShimExec, JoinsTheContainersCgroups) {
  ShimPod pod(world);
  ASSERT_TRUE(pod.start(ShimPod::planFor("c1", "sleep 1000")).ok());
  const auto output = pod.exec("c1", {"cat", "/proc/self/cgroup"});
  EXPECT_THAT(output.out, ::testing::Not(HasSubstr(world.cgroup)))
      << "a cgroup namespace hides the host's path";
  EXPECT_THAT(output.out, HasSubstr(":/"));
}

ROOT_TEST(ShimExec, LeavesNoZombieBehind) {
  ShimPod pod(world);
  ASSERT_TRUE(pod.start(ShimPod::planFor("c1", "sleep 1000")).ok());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(pod.exec("c1", {"true"}).outcome.exit_code, 0);
  EXPECT_THAT(pod.childrenNamed("true"), IsEmpty());
  EXPECT_THAT(pod.childrenNamed("keelson-shim"), IsEmpty());
}

}  // namespace
}  // namespace keelson::test
