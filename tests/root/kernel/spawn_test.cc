// spawn(): what the new process is, seen from inside.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/fs.h"
#include "kernel/cgroup.h"
#include "kernel/process.h"
#include "tests/root/fixture.h"

namespace keelson::kernel {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

struct Output {
  std::string text;
  int status = 0;
};

// Runs a shell script by spawn() and returns what it wrote to standard output.
Result<Output> runScript(const std::string& script, SpawnRequest request = {}) {
  const UniqueFd shell(open("/bin/sh", O_RDONLY | O_CLOEXEC));
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return sysError("pipe");
  UniqueFd read_end(pipe_fds[0]), write_end(pipe_fds[1]);
  request.executable = shell.get();
  request.args = {"sh", "-c", script};
  request.env.emplace_back("PATH=/usr/bin:/bin");
  request.stdout_fd = write_end.get();
  SpawnedProcess process = TRY(spawn(request));
  write_end.reset();
  Output output;
  output.text = TRY(readFd(read_end.get(), size_t{1} << 20));
  if (waitpid(process.pid, &output.status, 0) != process.pid) return sysError("waitpid");
  if (!process.pidfd.hasEnded()) return makeError(Code::kInternal, "pidfd of another process");
  return output;
}

std::string outputOf(const std::string& script, SpawnRequest request = {}) {
  auto output = runScript(script, std::move(request));
  EXPECT_TRUE(output.ok()) << output.error().text;
  return output ? output->text : std::string();
}

ROOT_TEST(Spawn, GivesArgumentsEnvironmentAndExitStatus) {
  SpawnRequest request;
  request.env = {"GREETING=hello world"};
  auto output = runScript("echo \"$GREETING\"; exit 7", request);
  ASSERT_TRUE(output.ok()) << output.error().text;
  EXPECT_EQ(output->text, "hello world\n");
  EXPECT_EQ(WEXITSTATUS(output->status), 7);
}

ROOT_TEST(Spawn, PlacesDescriptorsFromThreeOnAndNothingElse) {
  std::vector<UniqueFd> files;
  SpawnRequest request;
  for (int i = 0; i < 3; ++i) {
    const std::string path = fmt::format("{}/{}", world.scratch, i);
    std::ofstream(path) << i;
    files.emplace_back(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  }
  const UniqueFd inherited(open("/dev/zero", O_RDONLY));  // not close-on-exec: must be closed all the same
  // Reversed, so that a source stands where another's target is.
  for (int i = 2; i >= 0; --i) request.descriptors.push_back(files[static_cast<size_t>(i)].get());
  EXPECT_EQ(outputOf("read a <&3; read b <&4; read c <&5; echo $a$b$c", request), "210\n");
  const std::string listing = outputOf("ls -l /proc/$$/fd", request);
  EXPECT_THAT(listing, AllOf(HasSubstr("0 -> /dev/null"), HasSubstr("2 -> /dev/null"), HasSubstr("5 -> ")));
  EXPECT_THAT(listing, AllOf(Not(HasSubstr("6 ->")), Not(HasSubstr("/dev/zero"))));
}

ROOT_TEST(Spawn, SurvivesSourcesThatAreTheTargetsOfOthers) {
  // Descriptors 3 and 4 of this process, swapped.
  std::ofstream(world.scratch + "/three") << "three";
  std::ofstream(world.scratch + "/four") << "four";
  const UniqueFd first(open((world.scratch + "/three").c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd second(open((world.scratch + "/four").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(dup3(first.get(), 13, O_CLOEXEC), 13);
  SpawnRequest request;
  request.descriptors = {second.get(), first.get(), second.get()};
  EXPECT_EQ(outputOf("read a <&3; read b <&4; echo $a $b", request), "four three\n");
  close(13);
}

ROOT_TEST(Spawn, ResetsSignalsAndStartsASession) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGUSR1, [](int) {});
  sigset_t blocked;
  sigfillset(&blocked);
  sigprocmask(SIG_BLOCK, &blocked, nullptr);
  const std::string status = outputOf("cat /proc/self/status");
  EXPECT_THAT(status, AllOf(HasSubstr("SigBlk:\t0000000000000000"), HasSubstr("SigIgn:\t0000000000000000")));
  sigset_t now;
  sigprocmask(SIG_SETMASK, nullptr, &now);
  EXPECT_EQ(sigismember(&now, SIGTERM), 1) << "the caller's own mask comes back";
  EXPECT_EQ(outputOf("read p c s pp g sid rest < /proc/$$/stat; [ $sid = $$ ] && echo leader"), "leader\n");
}

ROOT_TEST(Spawn, WritesLimitsInsteadOfInheritingThem) {
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 2048);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(outputOf("ulimit -Sn; ulimit -Hn"), fmt::format("1024\n{}\n", limit.rlim_max));
  SpawnRequest request;
  request.oom_score_adj = 500;
  EXPECT_EQ(outputOf("cat /proc/self/oom_score_adj", request), "500\n");
}

ROOT_TEST(Spawn, GoesOnWhereTheOomScoreMayNotBeLowered) {
  SpawnRequest request;
  request.oom_score_adj = -1000;
  auto output = runScript("exit 0", request);
  ASSERT_TRUE(output.ok()) << output.error().text;
  EXPECT_EQ(output->status, 0);
}

ROOT_TEST(Spawn, BeginsInTheCgroupOfEachHierarchy) {
  auto cgroup = Cgroup::ensure(world.hierarchies, world.cgroup + "/spawned");
  ASSERT_TRUE(cgroup.ok()) << cgroup.error().text;
  SpawnRequest request;
  request.cgroup = &cgroup.value();
  const std::string where = outputOf("cat /proc/self/cgroup", request);
  for (const CgroupMount& mount : world.hierarchies.mounts) {
    const std::string name = mount.unified ? "::" : mount.controllers.front() + ":";
    EXPECT_THAT(where, HasSubstr(name + "/" + world.cgroup + "/spawned\n"));
  }
}

ROOT_TEST(Spawn, ReportsTheStepThatFailed) {
  const UniqueFd shell(open("/bin/sh", O_RDONLY | O_CLOEXEC));
  const UniqueFd text(open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  SpawnRequest request;
  request.args = {"thing"};
  EXPECT_EQ(spawn({}).error().code, Code::kInvalidArgument);

  request.executable = text.get();
  auto not_executable = spawn(request);
  ASSERT_FALSE(not_executable.ok());
  EXPECT_EQ(not_executable.error().sys, EACCES);
  EXPECT_THAT(not_executable.error().text, HasSubstr("spawn thing: execveat: EACCES"));

  request.executable = shell.get();
  request.descriptors = {1000};
  auto bad_descriptor = spawn(request);
  ASSERT_FALSE(bad_descriptor.ok());
  EXPECT_THAT(bad_descriptor.error().text, HasSubstr("spawn thing: arrange descriptors: EBADF"));
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "failed children are reaped";

  auto cgroup = Cgroup::ensure(world.hierarchies, world.cgroup + "/gone");
  ASSERT_TRUE(cgroup.ok());
  ASSERT_TRUE(Cgroup::destroy(world.hierarchies, world.cgroup + "/gone").ok());
  request.descriptors = {};
  request.cgroup = &cgroup.value();
  auto no_cgroup = spawn(request);
  ASSERT_FALSE(no_cgroup.ok());
  EXPECT_EQ(no_cgroup.error().code, Code::kNotFound);
}

ROOT_TEST(Spawn, WorksFromManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  std::vector<int> statuses(8, -1);
  for (size_t i = 0; i < statuses.size(); ++i) {
    threads.emplace_back([&statuses, i] {
      for (int run = 0; run < 20; ++run) {
        auto output = runScript(fmt::format("exit {}", i));
        statuses[i] = output ? WEXITSTATUS(output->status) : -1;
        if (statuses[i] != static_cast<int>(i)) return;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < statuses.size(); ++i) EXPECT_EQ(statuses[i], static_cast<int>(i));
}

ROOT_TEST(SealExecutable, RunsAndCannotBeChanged) {
  auto sealed = sealExecutable("/bin/true");
  ASSERT_TRUE(sealed.ok()) << sealed.error().text;
  EXPECT_EQ(write(sealed->get(), "x", 1), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(ftruncate(sealed->get(), 0), -1);
  SpawnRequest request;
  request.executable = sealed->get();
  request.args = {"true"};
  auto process = spawn(request);
  ASSERT_TRUE(process.ok()) << process.error().text;
  int status = -1;
  ASSERT_EQ(waitpid(process->pid, &status, 0), process->pid);
  EXPECT_EQ(status, 0);
}

ROOT_TEST(SealExecutable, RefusesWhatIsNoFile) {
  EXPECT_EQ(sealExecutable("/no/such/file").error().code, Code::kNotFound);
  EXPECT_EQ(sealExecutable("/").error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace keelson::kernel
