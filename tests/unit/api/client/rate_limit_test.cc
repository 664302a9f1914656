#include "api/client/rate_limit.h"

#include <gtest/gtest.h>

#include "tests/fakes/fake_clock.h"

namespace keelson::api::client {
namespace {

using namespace std::chrono_literals;

TEST(TokenBucket, GivesTheBurstAndThenTheRate) {
  FakeClock clock;
  TokenBucket bucket(10, 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(bucket.take(clock.steady()), 0ns);
  EXPECT_EQ(bucket.take(clock.steady()), 100ms);
  clock.advance(50ms);
  EXPECT_EQ(bucket.take(clock.steady()), 50ms);
  clock.advance(50ms);
  EXPECT_EQ(bucket.take(clock.steady()), 0ns);
  clock.advance(1h);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(bucket.take(clock.steady()), 0ns);
  EXPECT_GT(bucket.take(clock.steady()), 0ns);
}

TEST(TokenBucket, LimitsNothingWithoutARate) {
  FakeClock clock;
  TokenBucket bucket(-1, 0);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(bucket.take(clock.steady()), 0ns);
}

}  // namespace
}  // namespace keelson::api::client
