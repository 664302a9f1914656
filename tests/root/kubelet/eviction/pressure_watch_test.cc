// The pressure trigger on a loop, with the real kernel.
#include "kubelet/eviction/pressure_watch.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <vector>

#include "tests/root/fixture.h"

namespace keelson::kubelet::eviction {
namespace {

// Twice as many busy children as there are cores: some of them always wait.
std::vector<pid_t> makeCpuBusy() {
  std::vector<pid_t> busy;
  for (long i = 0; i < ::sysconf(_SC_NPROCESSORS_ONLN) * 2 + 1; ++i) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      volatile uint64_t turns = 0;
      while (true) turns = turns + 1;
    }
    busy.push_back(pid);
  }
  return busy;
}

ROOT_TEST(PressureWatchRoot, CallsBackAgainAndAgainWhileTasksStall) {
  Loop loop;
  int calls = 0;
  auto watch = PressureWatch::open(loop, "/proc/pressure/cpu", [&] {
    if (++calls == 2) loop.stop();
  });
  if (!watch && watch.error().code == Code::kUnsupported) GTEST_SKIP() << watch.error().text;
  ASSERT_TRUE(watch.ok()) << watch.error().text;
  const std::vector<pid_t> busy = makeCpuBusy();
  const Registration deadline = loop.after(std::chrono::seconds(30), [&] { loop.stop(); });
  loop.run();
  for (const pid_t pid : busy) ::kill(pid, SIGKILL);
  EXPECT_EQ(calls, 2);
}

ROOT_TEST(PressureWatchRoot, DoesNotSpinThoughItsFileIsAlwaysReadable) {
  Loop loop;
  auto watch = PressureWatch::open(loop, "/proc/pressure/memory", [] {});
  if (!watch && watch.error().code == Code::kUnsupported) GTEST_SKIP() << watch.error().text;
  ASSERT_TRUE(watch.ok()) << watch.error().text;
  const Registration end = loop.after(std::chrono::milliseconds(200), [&] { loop.stop(); });
  loop.run();
  EXPECT_LT(loop.stats().callbacks, 10u);
}

ROOT_TEST(PressureWatchRoot, SaysWhenThereIsNoSuchFile) {
  Loop loop;
  const auto watch = PressureWatch::open(loop, world.scratch + "/none", [] {});
  ASSERT_FALSE(watch.ok());
  EXPECT_EQ(watch.error().code, Code::kUnsupported);
}

}  // namespace
}  // namespace keelson::kubelet::eviction
