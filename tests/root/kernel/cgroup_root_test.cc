// Cgroup on the real hierarchies of this host.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "kernel/cgroup.h"
#include "kernel/pidfd.h"
#include "tests/root/fixture.h"

namespace keelson::kernel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kPatience = std::chrono::seconds(20);

// Joins `cgroup` in each hierarchy, as a child does before exec.
void joinOrExit(const Cgroup& cgroup) {
  if (cgroup.unified() != nullptr && !cgroup.write("", "cgroup.procs", "0")) _exit(90);
  const std::vector<int> v1 = cgroup.v1Descriptors();
  if (joinV1Raw(v1.data(), static_cast<int>(v1.size())) != 0) _exit(91);
}

// A child inside `cgroup` that has joined when this returns and then waits for a signal.
pid_t startWaiting(const Cgroup& cgroup) {
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) return -1;
  const pid_t pid = fork();
  if (pid == 0) {
    joinOrExit(cgroup);
    if (write(ready[1], "x", 1) != 1) _exit(92);
    while (true) pause();
  }
  close(ready[1]);
  char byte = 0;
  const bool joined = read(ready[0], &byte, 1) == 1;
  close(ready[0]);
  return joined ? pid : -1;
}

int reap(pid_t pid) {
  int status = 0;
  return waitpid(pid, &status, 0) == pid ? status : -1;
}

// The hierarchies as on a host that has v1 only.
CgroupHierarchies v1Only(const CgroupHierarchies& all) {
  CgroupHierarchies v1{CgroupMode::kV1, all.mounts};
  std::erase_if(v1.mounts, [](const CgroupMount& mount) { return mount.unified; });
  return v1;
}

ROOT_TEST(CgroupRoot, MakesAndRemovesItsDirectoriesEverywhere) {
  const std::string path = world.cgroup + "/burstable/pod-1/web";
  for (int run = 0; run < 2; ++run) {
    auto cgroup = Cgroup::ensure(world.hierarchies, path);
    ASSERT_TRUE(cgroup.ok()) << cgroup.error().text;
    EXPECT_FALSE(cgroup->isPopulated());
    EXPECT_THAT(cgroup->processes().value(), IsEmpty());
  }
  for (int run = 0; run < 2; ++run) {
    auto destroyed = Cgroup::destroy(world.hierarchies, world.cgroup + "/burstable");
    ASSERT_TRUE(destroyed.ok()) << destroyed.error().text;
  }
  EXPECT_EQ(Cgroup::open(world.hierarchies, path).error().code, Code::kNotFound);
}

ROOT_TEST(CgroupRoot, ACpusetIsUsableAtOnce) {
  auto cgroup = Cgroup::ensure(world.hierarchies, world.cgroup + "/a/b");
  ASSERT_TRUE(cgroup.ok()) << cgroup.error().text;
  if (world.hierarchies.mode == CgroupMode::kV2) GTEST_SKIP() << "a v1 rule";
  for (const char* file : {"cpuset.cpus", "cpuset.mems"}) {
    auto text = cgroup->read("cpuset", file);
    ASSERT_TRUE(text.ok()) << text.error().text;
    EXPECT_NE(text.value(), "\n") << file;
  }
}

ROOT_TEST(CgroupRoot, LimitsAreWrittenWhereTheControllerIs) {
  auto cgroup = Cgroup::ensure(world.hierarchies, world.cgroup + "/limited");
  ASSERT_TRUE(cgroup.ok()) << cgroup.error().text;
  auto written = cgroup->write("pids", "pids.max", "17");
  ASSERT_TRUE(written.ok()) << written.error().text;
  EXPECT_EQ(cgroup->read("pids", "pids.max").value(), "17\n");
  auto refused = cgroup->write("pids", "pids.max", "many");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
  EXPECT_THAT(refused.error().text, HasSubstr(world.cgroup + "/limited"));
  EXPECT_THAT(refused.error().text, HasSubstr("\"many\" to pids.max"));
}

ROOT_TEST(CgroupRoot, KillEndsEveryProcessOfItAndBelow) {
  auto cgroup = Cgroup::ensure(world.hierarchies, world.cgroup + "/c");
  auto below = Cgroup::ensure(world.hierarchies, world.cgroup + "/c/exec-1");
  ASSERT_TRUE(cgroup.ok() && below.ok());
  const pid_t first = startWaiting(cgroup.value()), second = startWaiting(below.value());
  ASSERT_GT(first, 0);
  ASSERT_GT(second, 0);
  EXPECT_THAT(cgroup->processes().value(), ElementsAre(std::min(first, second), std::max(first, second)));
  EXPECT_TRUE(cgroup->isPopulated());
  auto killed = cgroup->kill();
  ASSERT_TRUE(killed.ok()) << killed.error().text;
  EXPECT_EQ(WTERMSIG(reap(first)), SIGKILL);
  EXPECT_EQ(WTERMSIG(reap(second)), SIGKILL);
  Stop stop(kPatience);
  auto empty = cgroup->waitEmpty(stop);
  ASSERT_TRUE(empty.ok()) << empty.error().text;
  auto destroyed = Cgroup::destroy(world.hierarchies, world.cgroup + "/c");
  EXPECT_TRUE(destroyed.ok()) << destroyed.error().text;
}

ROOT_TEST(CgroupRoot, AProcessThatAStrangerTookOutOfV2IsSeenAndKilled) {
  if (world.hierarchies.mode != CgroupMode::kHybrid) GTEST_SKIP() << "a rule of hybrid hosts";
  auto cgroup = Cgroup::ensure(world.hierarchies, world.cgroup + "/c");
  auto elsewhere = Cgroup::ensure(world.hierarchies, world.cgroup + "/session");
  ASSERT_TRUE(cgroup.ok() && elsewhere.ok());
  const pid_t pid = startWaiting(cgroup.value());
  ASSERT_GT(pid, 0);
  ASSERT_TRUE(elsewhere->write("", "cgroup.procs", std::to_string(pid)).ok());
  EXPECT_THAT(cgroup->processes().value(), IsEmpty()) << "v2 no longer has it";
  EXPECT_TRUE(cgroup->isPopulated());
  auto killed = cgroup->kill();
  ASSERT_TRUE(killed.ok()) << killed.error().text;
  EXPECT_EQ(WTERMSIG(reap(pid)), SIGKILL);
  EXPECT_FALSE(cgroup->isPopulated());
}

ROOT_TEST(CgroupRoot, KillWinsAgainstAForkingProcessWithV1Alone) {
  const CgroupHierarchies v1 = v1Only(world.hierarchies);
  if (v1.mounts.empty()) GTEST_SKIP() << "this host has no v1 hierarchy";
  auto cgroup = Cgroup::ensure(v1, world.cgroup + "/forks");
  ASSERT_TRUE(cgroup.ok()) << cgroup.error().text;
  ASSERT_TRUE(cgroup->write("pids", "pids.max", "40").ok());
  const pid_t pid = fork();
  if (pid == 0) {
    joinOrExit(cgroup.value());
    signal(SIGCHLD, SIG_IGN);
    while (true) {
      if (fork() == 0 && fork() == 0) pause();
    }
  }
  ASSERT_GT(pid, 0);
  Stop stop(kPatience);
  while (cgroup->processes().value().size() < 20) ASSERT_TRUE(stop.check("wait for forks").ok());
  auto killed = cgroup->kill();
  ASSERT_TRUE(killed.ok()) << killed.error().text;
  EXPECT_EQ(WTERMSIG(reap(pid)), SIGKILL);
  // Orphans are ours, as PID 1 of this world.
  while (waitpid(-1, nullptr, 0) > 0) {
  }
  auto empty = cgroup->waitEmpty(stop);
  ASSERT_TRUE(empty.ok()) << empty.error().text;
  auto destroyed = Cgroup::destroy(v1, world.cgroup + "/forks");
  EXPECT_TRUE(destroyed.ok()) << destroyed.error().text;
}

ROOT_TEST(CgroupRoot, KillReachesAProcessFrozenByV1) {
  auto cgroup = Cgroup::ensure(world.hierarchies, world.cgroup + "/cold");
  ASSERT_TRUE(cgroup.ok());
  const pid_t pid = startWaiting(cgroup.value());
  ASSERT_GT(pid, 0);
  const bool v2 = world.hierarchies.mode == CgroupMode::kV2;
  auto frozen =
      v2 ? cgroup->write("", "cgroup.freeze", "1") : cgroup->write("freezer", "freezer.state", "FROZEN");
  ASSERT_TRUE(frozen.ok()) << frozen.error().text;
  auto killed = cgroup->kill();
  ASSERT_TRUE(killed.ok()) << killed.error().text;
  EXPECT_EQ(WTERMSIG(reap(pid)), SIGKILL);
}

ROOT_TEST(CgroupRoot, ThawLetsFrozenProcessesRunAgain) {
  auto cgroup = Cgroup::ensure(world.hierarchies, world.cgroup + "/cold");
  ASSERT_TRUE(cgroup.ok());
  if (cgroup->unified() == nullptr) GTEST_SKIP() << "this host has no v2 hierarchy";
  const pid_t pid = startWaiting(cgroup.value());
  ASSERT_GT(pid, 0);
  ASSERT_TRUE(cgroup->write("", "cgroup.freeze", "1").ok());
  ASSERT_TRUE(cgroup->thaw().ok());
  EXPECT_EQ(cgroup->read("", "cgroup.freeze").value(), "0\n");
  kill(pid, SIGTERM);
  EXPECT_EQ(WTERMSIG(reap(pid)), SIGTERM);
}

ROOT_TEST(CgroupRoot, DestroyRefusesWhileSomethingRuns) {
  auto cgroup = Cgroup::ensure(world.hierarchies, world.cgroup + "/busy");
  ASSERT_TRUE(cgroup.ok());
  const pid_t pid = startWaiting(cgroup.value());
  ASSERT_GT(pid, 0);
  auto destroyed = Cgroup::destroy(world.hierarchies, world.cgroup + "/busy");
  ASSERT_FALSE(destroyed.ok());
  EXPECT_EQ(destroyed.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(destroyed.error().text, HasSubstr(fmt::format("{} (", pid)));
  EXPECT_TRUE(Cgroup::open(world.hierarchies, world.cgroup + "/busy").ok());
  kill(pid, SIGKILL);
  reap(pid);
  EXPECT_TRUE(Cgroup::destroy(world.hierarchies, world.cgroup + "/busy").ok());
}

ROOT_TEST(CgroupRoot, WaitEmptyEndsAtItsDeadlineWithNames) {
  auto cgroup = Cgroup::ensure(world.hierarchies, world.cgroup + "/busy");
  ASSERT_TRUE(cgroup.ok());
  const pid_t pid = startWaiting(cgroup.value());
  ASSERT_GT(pid, 0);
  Stop stop(std::chrono::milliseconds(1));
  auto waited = cgroup->waitEmpty(stop);
  ASSERT_FALSE(waited.ok());
  EXPECT_EQ(waited.error().code, Code::kDeadlineExceeded);
  EXPECT_THAT(waited.error().text, HasSubstr(fmt::format("{} (", pid)));
  kill(pid, SIGKILL);
  reap(pid);
}

ROOT_TEST(CgroupRoot, CountsOomKillsAlsoOfSubCgroups) {
  auto cgroup = Cgroup::ensure(world.hierarchies, world.cgroup + "/small");
  auto below = Cgroup::ensure(world.hierarchies, world.cgroup + "/small/exec-1");
  ASSERT_TRUE(cgroup.ok() && below.ok());
  const bool v2 = world.hierarchies.mode == CgroupMode::kV2;
  auto limited = below->write("memory", v2 ? "memory.max" : "memory.limit_in_bytes", "16777216");
  if (!limited) GTEST_SKIP() << limited.error().text;
  ASSERT_EQ(cgroup->oomKills().value(), 0u);
  const pid_t pid = fork();
  if (pid == 0) {
    joinOrExit(below.value());
    constexpr size_t kSize = size_t{64} << 20;
    auto* memory = static_cast<volatile char*>(
        mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (size_t at = 0; at < kSize; at += 4096) memory[at] = 1;
    _exit(0);
  }
  EXPECT_EQ(WTERMSIG(reap(pid)), SIGKILL);
  EXPECT_EQ(cgroup->oomKills().value(), 1u);
}

}  // namespace
}  // namespace keelson::kernel
