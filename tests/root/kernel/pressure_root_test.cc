// Pressure triggers and memory readers on the real kernel.
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>

#include "base/fs.h"
#include "kernel/cgroup_memory.h"
#include "kernel/pressure.h"
#include "tests/root/fixture.h"

namespace keelson::kernel {
namespace {

constexpr char kMemory[] = "/proc/pressure/memory";

ROOT_TEST(PressureRoot, ReadsTheMachinesOwn) {
  const auto pressure = readPressure(kMemory);
  if (!pressure && pressure.error().code == Code::kUnsupported) GTEST_SKIP() << pressure.error().text;
  ASSERT_TRUE(pressure.ok()) << pressure.error().text;
  EXPECT_TRUE(pressure->full.has_value());
  EXPECT_GE(pressure->some.total_us, pressure->full->total_us);
}

ROOT_TEST(PressureRoot, TakesATriggerThatIsQuietWhileNobodyStalls) {
  const auto trigger =
      openPressureTrigger(kMemory, Stall::kSome, std::chrono::milliseconds(1900), std::chrono::seconds(2));
  if (!trigger && trigger.error().code == Code::kUnsupported) GTEST_SKIP() << trigger.error().text;
  ASSERT_TRUE(trigger.ok()) << trigger.error().text;
  pollfd one{trigger->get(), POLLPRI, 0};
  EXPECT_EQ(::poll(&one, 1, 0), 0);
}

ROOT_TEST(PressureRoot, RefusesAWindowOutOfBounds) {
  if (readPressure(kMemory).ok()) {
    const auto trigger =
        openPressureTrigger(kMemory, Stall::kSome, std::chrono::milliseconds(1), std::chrono::seconds(60));
    ASSERT_FALSE(trigger.ok());
    EXPECT_EQ(trigger.error().code, Code::kInvalidArgument) << trigger.error().text;
  }
}

ROOT_TEST(PressureRoot, CpuStallsFireATrigger) {
  const auto trigger = openPressureTrigger("/proc/pressure/cpu", Stall::kSome, std::chrono::milliseconds(200),
                                           std::chrono::seconds(2));
  if (!trigger && trigger.error().code == Code::kUnsupported) GTEST_SKIP() << trigger.error().text;
  ASSERT_TRUE(trigger.ok()) << trigger.error().text;
  std::vector<pid_t> busy;  // more than there are cores; they die with this world
  for (long i = 0; i < ::sysconf(_SC_NPROCESSORS_ONLN) * 2 + 1; ++i) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      volatile uint64_t turns = 0;
      while (true) turns = turns + 1;
    }
    busy.push_back(pid);
  }
  pollfd one{trigger->get(), POLLPRI, 0};
  EXPECT_EQ(::poll(&one, 1, 20'000), 1);
  EXPECT_NE(one.revents & POLLPRI, 0);
  for (const pid_t pid : busy) ::kill(pid, SIGKILL);
}

ROOT_TEST(CgroupMemoryRoot, TheMachineUsesLessThanItHas) {
  const auto root = readRootMemory(world.hierarchies);
  const auto meminfo = readMeminfo();
  ASSERT_TRUE(root.ok()) << root.error().text;
  ASSERT_TRUE(meminfo.ok());
  EXPECT_GT(root->working_set.value, 0);
  EXPECT_LT(root->working_set.value, meminfo->total.value);
  EXPECT_FALSE(root->limit.has_value());
}

ROOT_TEST(CgroupMemoryRoot, ReadsAnEmptyCgroupOfItsOwn) {
  const auto cgroup = Cgroup::ensure(world.hierarchies, world.cgroup + "/memory-test");
  ASSERT_TRUE(cgroup.ok()) << cgroup.error().text;
  const auto memory = readCgroupMemory(world.hierarchies, *cgroup);
  if (!memory && memory.error().code == Code::kUnsupported) GTEST_SKIP() << memory.error().text;
  ASSERT_TRUE(memory.ok()) << memory.error().text;
  EXPECT_EQ(memory->working_set.value, 0);
  EXPECT_FALSE(memory->limit.has_value());
  EXPECT_EQ(readCgroupPids(*cgroup).valueOr(99), 0u);
}

}  // namespace
}  // namespace keelson::kernel
