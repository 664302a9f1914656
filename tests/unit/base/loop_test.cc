#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "base/executor.h"
#include "base/unique_fd.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;

// A loop that ends by itself when a test would hang.
class LoopTest : public ::testing::Test {
 protected:
  void run() {
    const Registration guard = loop_.after(10s, [this] {
      ADD_FAILURE() << "the loop was not stopped";
      loop_.stop();
    });
    loop_.run();
  }

  Loop loop_;
};

struct Pipe {
  UniqueFd reader;
  UniqueFd writer;
  Pipe() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    reader = UniqueFd(ends[0]);
    writer = UniqueFd(ends[1]);
  }
  void put(size_t bytes = 1) const {
    EXPECT_EQ(::write(writer.get(), std::string(bytes, 'x').data(), bytes), static_cast<ssize_t>(bytes));
  }
  void take() const {
    char byte = 0;
    EXPECT_EQ(::read(reader.get(), &byte, 1), 1);
  }
};

TEST_F(LoopTest, RunsPostedTasksInOrderAlsoFromWithinTasks) {
  std::string order;
  loop_.post([&] {
    order += 'a';
    loop_.post([&] { order += 'c'; });
    loop_.post([&] {
      order += 'd';
      loop_.stop();
    });
  });
  loop_.post([&] { order += 'b'; });
  run();
  EXPECT_EQ(order, "abcd");
}

TEST_F(LoopTest, KeepsTheOrderOfEachPostingThread) {
  constexpr int kPosts = 1000;
  std::vector<int> seen[2];
  int done = 0;
  std::vector<std::jthread> threads;
  for (size_t who = 0; who < 2; ++who) {
    threads.emplace_back([&, who] {
      for (int i = 0; i < kPosts; ++i) loop_.post([&seen, who, i] { seen[who].push_back(i); });
      loop_.post([&] {
        if (++done == 2) loop_.stop();
      });
    });
  }
  run();
  for (const auto& list : seen) {
    ASSERT_EQ(list.size(), size_t{kPosts});
    EXPECT_TRUE(std::is_sorted(list.begin(), list.end()));
  }
}

TEST_F(LoopTest, StopBeforeRunIsNotForgotten) {
  loop_.stop();
  loop_.run();
}

TEST_F(LoopTest, TimersFireInOrderOfTheirDelay) {
  std::string order;
  const Registration late = loop_.after(20ms, [&] {
    order += 'b';
    loop_.stop();
  });
  const Registration soon = loop_.after(1ms, [&] { order += 'a'; });
  const Registration far = loop_.after(Duration::max(), [&] { order += 'x'; });
  const Registration gone = loop_.after(2ms, [&] { order += 'x'; });
  {
    Registration ended = loop_.after(0ms, [&] { order += 'x'; });
    EXPECT_TRUE(ended.active());
    ended.reset();
    EXPECT_FALSE(ended.active());
  }
  loop_.post([&] { const_cast<Registration&>(gone).reset(); });
  run();
  EXPECT_EQ(order, "ab");
}

TEST_F(LoopTest, AnExpiredTimerThatIsCancelledInTheSameTurnDoesNotRun) {
  int fired = 0;
  Registration first;
  Registration second;
  const auto finish = [&] {
    ++fired;
    first.reset();
    second.reset();
    loop_.post([&] { loop_.stop(); });
  };
  first = loop_.after(0ms, finish);
  second = loop_.after(0ms, finish);
  run();
  EXPECT_EQ(fired, 1);
}

TEST_F(LoopTest, EveryRepeatsUntilItsRegistrationEnds) {
  int turns = 0;
  Registration ticks;
  ticks = loop_.every(1ms, [&] {
    if (++turns < 3) return;
    ticks.reset();
    ticks = loop_.after(5ms, [&] { loop_.stop(); });
  });
  run();
  EXPECT_EQ(turns, 3);
}

TEST_F(LoopTest, MovingARegistrationEndsTheOneItReplaces) {
  bool ran = false;
  Registration slot = loop_.after(1ms, [&] { ran = true; });
  slot = loop_.after(5ms, [&] { loop_.stop(); });
  Registration moved(std::move(slot));
  EXPECT_FALSE(slot.active());
  run();
  EXPECT_FALSE(ran);
}

TEST_F(LoopTest, ReadableIsLevelTriggered) {
  const Pipe pipe;
  pipe.put(3);
  int calls = 0;
  const Registration watch = loop_.onReadable(pipe.reader.get(), [&] {
    pipe.take();
    if (++calls == 3) loop_.stop();
  });
  run();
  EXPECT_EQ(calls, 3);
}

TEST_F(LoopTest, ReadableIsToldOfTheOtherEndClosing) {
  Pipe pipe;
  pipe.writer.reset();
  bool told = false;
  Registration watch;
  watch = loop_.onReadable(pipe.reader.get(), [&] {
    told = true;
    watch.reset();
    loop_.stop();
  });
  run();
  EXPECT_TRUE(told);
}

TEST_F(LoopTest, TwoWatchesOfOneDescriptorBothRun) {
  const Pipe pipe;
  pipe.put();
  int first = 0;
  int second = 0;
  const auto stopWhenBoth = [&] {
    if (first > 0 && second > 0) loop_.stop();
  };
  const Registration a = loop_.onReadable(pipe.reader.get(), [&] {
    ++first;
    stopWhenBoth();
  });
  const Registration b = loop_.onReadable(pipe.reader.get(), [&] {
    ++second;
    stopWhenBoth();
  });
  ASSERT_TRUE(b.active());
  run();
  EXPECT_GT(first, 0);
  EXPECT_GT(second, 0);
}

TEST_F(LoopTest, AWatchEndedByAnotherInTheSameTurnDoesNotRun) {
  const Pipe one;
  const Pipe two;
  one.put();
  two.put();
  int calls = 0;
  Registration a;
  Registration b;
  const auto task = [&] {
    ++calls;
    a.reset();
    b.reset();
    loop_.post([&] { loop_.stop(); });
  };
  a = loop_.onReadable(one.reader.get(), task);
  b = loop_.onReadable(two.reader.get(), task);
  run();
  EXPECT_EQ(calls, 1);
}

TEST_F(LoopTest, ADescriptorNumberRebornDoesNotWakeTheFormerWatch) {
  Pipe old;
  Registration stale = loop_.onReadable(old.reader.get(), [] { ADD_FAILURE() << "stale watch ran"; });
  stale.reset();
  old.reader.reset();
  old.writer.reset();
  const Pipe fresh;
  fresh.put();
  bool ran = false;
  const Registration watch = loop_.onReadable(fresh.reader.get(), [&] {
    ran = true;
    loop_.stop();
  });
  run();
  EXPECT_TRUE(ran);
}

TEST_F(LoopTest, WatchingDoesNotTouchTheDescriptorsFlags) {
  const Pipe pipe;
  const int before = ::fcntl(pipe.reader.get(), F_GETFL);
  pipe.put();
  const Registration watch = loop_.onReadable(pipe.reader.get(), [&] {
    pipe.take();
    loop_.stop();
  });
  run();
  EXPECT_EQ(::fcntl(pipe.reader.get(), F_GETFL), before);
}

TEST_F(LoopTest, RefusesToWatchWhatEpollRefuses) {
  const UniqueFd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(loop_.onReadable(file.get(), [] {}).active());
  EXPECT_FALSE(loop_.onReadable(-1, [] {}).active());
}

TEST_F(LoopTest, SignalsArriveOnTheLoop) {
  // On a thread of its own: the mask of the test binary stays as it is.
  std::thread([this] {
    blockSignals({SIGUSR1, SIGUSR2});
    std::vector<int> seen;
    Registration signals;
    signals = loop_.onSignal({SIGUSR1, SIGUSR2}, [&](int signal) {
      seen.push_back(signal);
      if (seen.size() < 2) return;
      signals.reset();
      loop_.stop();
    });
    loop_.post([] {
      ::pthread_kill(::pthread_self(), SIGUSR1);
      ::pthread_kill(::pthread_self(), SIGUSR2);
    });
    run();
    EXPECT_EQ(seen, (std::vector<int>{SIGUSR1, SIGUSR2}));
  }).join();
}

TEST_F(LoopTest, CountsCallbacksAndTellsOfSlowOnes) {
  std::vector<std::pair<Duration, std::string>> slow;
  loop_.onSlowCallback(5ms, [&](Duration took, const std::string& name) { slow.emplace_back(took, name); });
  const SteadyTime begin = realClock().steady();
  loop_.post([] {
    const SteadyTime end = realClock().steady() + 10ms;
    while (realClock().steady() < end) continue;
  });
  loop_.post([&] { loop_.stop(); });
  run();
  ASSERT_GE(slow.size(), 1U);
  EXPECT_GE(slow[0].first, 10ms);
  EXPECT_NE(slow[0].second.find("CountsCallbacksAndTellsOfSlowOnes"), std::string::npos) << slow[0].second;
  EXPECT_GE(loop_.stats().callbacks, 2U);
  EXPECT_GE(loop_.stats().longest, 10ms);
  EXPECT_GE(loop_.stats().last_turn, begin);
}

TEST(Loop, RegistrationsMayOutliveIt) {
  Registration timer;
  Registration watch;
  const Pipe pipe;
  {
    Loop loop;
    timer = loop.after(1h, [] {});
    watch = loop.onReadable(pipe.reader.get(), [] {});
  }
  timer.reset();
  watch.reset();
}

TEST(Loop, FreesWhatItsPendingTasksOwn) {
  const auto token = std::make_shared<int>(0);
  {
    Loop loop;
    auto timer = std::make_shared<Registration>(loop.after(1h, [token] {}));
    loop.post([token, timer] {});
    timer->reset();
    *timer = loop.every(1h, [token] {});
  }
  EXPECT_EQ(token.use_count(), 1);
}

}  // namespace
}  // namespace keelson
