#include "base/backoff.h"

#include <gtest/gtest.h>

namespace keelson {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, DoublesFromTheFirstWaitUpToTheCap) {
  const BackoffPolicy policy;
  Backoff state;
  WallTime now{};
  for (const Duration expected : {10s, 20s, 40s, 80s, 160s, 300s, 300s}) {
    state = state.next(policy, now);
    EXPECT_EQ(state.delay, expected);
    EXPECT_EQ(state.updated, now);
    now += expected;
  }
}

TEST(Backoff, StartsAnewOnlyAfterMoreThanTheQuietTime) {
  const BackoffPolicy policy;
  const WallTime begin{};
  const Backoff high{160s, begin};
  EXPECT_EQ(high.next(policy, begin + 10min).delay, 300s);
  EXPECT_EQ(high.next(policy, begin + 10min + 1ns).delay, 10s);
}

TEST(Backoff, NeverExceedsACapBelowTheFirstWait) {
  const BackoffPolicy policy{10s, 3s, 10min};
  EXPECT_EQ(Backoff{}.next(policy, WallTime{}).delay, 3s);
}

TEST(Backoff, KeepsItsStateWhenTheWallClockJumpsBack) {
  const BackoffPolicy policy;
  const Backoff state{40s, WallTime(1h)};
  EXPECT_EQ(state.next(policy, WallTime(0s)).delay, 80s);
}

}  // namespace
}  // namespace keelson
