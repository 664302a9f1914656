#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <latch>

#include "base/executor.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;

bool isListed(const std::string& name) {
  const std::vector<Strand::Stats> all = strandStats();
  return std::any_of(all.begin(), all.end(), [&](const Strand::Stats& stats) { return stats.name == name; });
}

TEST(Lane, RunsAllItsThreadsAtOnce) {
  Lane lane("pods", 3);
  std::latch together(3);  // passes only if three tasks run at the same time
  for (int i = 0; i < 3; ++i) lane.post([&] { together.arrive_and_wait(); });
  lane.join();
  EXPECT_TRUE(together.try_wait());
}

TEST(Lane, JoinRunsWhatWasPostedAndDropsWhatComesLater) {
  Lane lane("images", 1);
  std::atomic<int> ran{0};
  for (int i = 0; i < 100; ++i) {
    lane.post([&] {
      ++ran;
      lane.post([&] { ++ran; });
    });
  }
  lane.join();
  const int total = ran;
  EXPECT_GE(total, 100);
  lane.post([&] { ++ran; });
  lane.join();
  EXPECT_EQ(ran, total);
}

TEST(Lane, CountsWhatWaitsAndRuns) {
  Lane lane("volumes", 1);
  std::promise<void> open;
  std::shared_future<void> gate = open.get_future().share();
  lane.post([gate] { gate.wait(); });
  lane.post([gate] {});
  EXPECT_EQ(lane.queued(), 2U);
  open.set_value();
  lane.join();
  EXPECT_EQ(lane.queued(), 0U);
  EXPECT_EQ(lane.name(), "volumes");
}

TEST(Strand, RunsItsTasksInOrderAndNeverTwoAtOnce) {
  Lane lane("pods", 4);
  Strand strand(lane, "pod a");
  std::vector<int> order;  // unguarded: the strand is the guard
  std::atomic<int> inside{0};
  std::atomic<bool> overlapped{false};
  for (int i = 0; i < 2000; ++i) {
    strand.post([&, i] {
      if (++inside != 1) overlapped = true;
      order.push_back(i);
      --inside;
    });
  }
  lane.join();
  EXPECT_FALSE(overlapped);
  ASSERT_EQ(order.size(), 2000U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(Strand, ManyPostersLoseNothing) {
  Lane lane("pods", 2);
  Strand strand(lane, "pod b");
  int count = 0;
  {
    std::vector<std::jthread> posters;
    for (int i = 0; i < 4; ++i) {
      posters.emplace_back([&] {
        for (int turn = 0; turn < 1000; ++turn) strand.post([&] { ++count; });
      });
    }
  }
  lane.join();
  EXPECT_EQ(count, 4000);
}

TEST(Strand, ABusyOneDoesNotHoldUpTheOthersOfItsLane) {
  Lane lane("pods", 1);
  Strand busy(lane, "busy");
  Strand other(lane, "other");
  std::promise<void> open;
  std::shared_future<void> gate = open.get_future().share();
  std::string order;
  busy.post([&, gate] {
    gate.wait();
    order += 'a';
  });
  for (int i = 0; i < 10; ++i) busy.post([&] { order += 'b'; });
  other.post([&] { order += 'X'; });
  open.set_value();
  lane.join();
  EXPECT_EQ(order, "aXbbbbbbbbbb");
}

TEST(Strand, DifferentStrandsRunSideBySide) {
  Lane lane("pods", 2);
  Strand one(lane, "one");
  Strand two(lane, "two");
  std::latch together(2);
  one.post([&] { together.arrive_and_wait(); });
  two.post([&] { together.arrive_and_wait(); });
  lane.join();
  EXPECT_TRUE(together.try_wait());
}

TEST(Strand, CloseRefusesLaterTasksAndRunsEarlierOnes) {
  Lane lane("pods", 1);
  Strand strand(lane, "closing");
  std::promise<void> open;
  std::shared_future<void> gate = open.get_future().share();
  std::string order;
  strand.post([&, gate] {
    gate.wait();
    order += 'a';
  });
  strand.post([&] { order += 'b'; });
  strand.close();
  strand.post([&] { order += 'x'; });
  open.set_value();
  lane.join();
  EXPECT_EQ(order, "ab");
}

TEST(Strand, MayBeDestroyedByItsOwnTask) {
  Lane lane("pods", 1);
  auto strand = std::make_unique<Strand>(lane, "own end");
  std::string order;
  std::promise<void> posted;
  std::shared_future<void> gate = posted.get_future().share();
  strand->post([&, gate] {
    gate.wait();
    strand.reset();
    order += 'a';
  });
  strand->post([&] { order += 'b'; });
  posted.set_value();
  lane.join();
  EXPECT_EQ(order, "ab");
  EXPECT_FALSE(isListed("own end"));
}

TEST(Strand, DropsWhatIsPostedAfterTheLaneJoined) {
  Lane lane("pods", 1);
  Strand strand(lane, "late");
  lane.join();
  const auto token = std::make_shared<int>(0);
  strand.post([token] { ADD_FAILURE(); });
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_EQ(strand.stats().queued, 0U);
}

TEST(Strand, StatsTellWhatWaitsAndHowLongTheTaskRuns) {
  Lane lane("pods", 1);
  Strand strand(lane, "observed");
  EXPECT_EQ(strand.stats().running, 0ns);
  std::promise<void> started;
  std::promise<void> open;
  std::shared_future<void> gate = open.get_future().share();
  strand.post([&, gate] {
    started.set_value();
    gate.wait();
  });
  strand.post([] {});
  started.get_future().wait();
  const Strand::Stats stats = strand.stats();
  EXPECT_EQ(stats.name, "observed");
  EXPECT_EQ(stats.queued, 1U);
  EXPECT_GT(stats.running, 0ns);
  EXPECT_TRUE(isListed("observed"));
  open.set_value();
  lane.join();
  EXPECT_EQ(strand.stats().queued, 0U);
  EXPECT_EQ(strand.stats().running, 0ns);
}

}  // namespace
}  // namespace keelson
