#include "runtime/loop_watch.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <memory>
#include <thread>

namespace keelson::runtime {
namespace {

std::shared_ptr<const UniqueFd> readableFd() {
  return std::make_shared<const UniqueFd>(UniqueFd(::eventfd(1, EFD_CLOEXEC)));
}

TEST(LoopWatch, OnceIsOnceThoughTheDescriptorStaysReadable) {
  Loop loop;
  LoopWatch watch(loop);
  int told = 0;
  watch.addOnce(readableFd(), [&] { ++told; });
  const Registration end = loop.after(std::chrono::milliseconds(50), [&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(told, 1);
}

TEST(LoopWatch, OrdersOfOtherThreadsArriveInOrder) {
  Loop loop;
  LoopWatch watch(loop);
  int told = 0;
  std::thread([&] {
    const auto key = watch.add(readableFd(), [&] { ++told; });
    watch.remove(key);
  }).join();
  const Registration end = loop.after(std::chrono::milliseconds(20), [&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(told, 0);
}

TEST(LoopWatch, NothingRunsAfterItsEnd) {
  Loop loop;
  int told = 0;
  auto watch = std::make_unique<LoopWatch>(loop);
  watch->add(readableFd(), [&] { ++told; });
  watch->post([&] { ++told; });
  watch.reset();
  const Registration end = loop.after(std::chrono::milliseconds(20), [&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(told, 0);
}

}  // namespace
}  // namespace keelson::runtime
