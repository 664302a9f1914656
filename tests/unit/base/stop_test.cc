#include <gtest/gtest.h>

#include "base/executor.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;

TEST(Stop, WithoutDeadlineNeverExpires) {
  const Stop stop;
  EXPECT_FALSE(stop.expired());
  EXPECT_TRUE(stop.check("wait").ok());
  EXPECT_EQ(stop.remaining(), 1h) << "capped, so that it fits poll(2)";
}

TEST(Stop, ExpiresAtItsDeadline) {
  const Stop past(0ns);
  EXPECT_TRUE(past.expired());
  EXPECT_EQ(past.remaining(), 0ms);
  const Result<void> checked = past.check("wait for shim");
  ASSERT_FALSE(checked.ok());
  EXPECT_EQ(checked.error().code, Code::kDeadlineExceeded);
  EXPECT_EQ(checked.error().text, "wait for shim: deadline exceeded");
  EXPECT_TRUE(Stop(-5s).expired());
}

TEST(Stop, RoundsWhatRemainsUpSoThatAPollDoesNotSpin) {
  const Stop stop(10s);
  EXPECT_GT(stop.remaining(), 9s);
  EXPECT_LE(stop.remaining(), 10s);
  EXPECT_FALSE(Stop(Duration::max()).expired());
}

TEST(Stop, CopiesShareTheCancel) {
  Stop stop;
  const Stop copy = stop;
  const Stop shorter = stop.within(1h);
  stop.cancel();
  EXPECT_EQ(copy.check("x").error().code, Code::kCancelled);
  EXPECT_EQ(shorter.check("x").error().code, Code::kCancelled);
}

TEST(Stop, WithinTakesTheEarlierDeadline) {
  const Stop outer(10s);
  EXPECT_EQ(outer.within(1h).deadline(), outer.deadline());
  EXPECT_LT(outer.within(1s).deadline(), outer.deadline());
  EXPECT_FALSE(outer.expired());
  EXPECT_TRUE(outer.within(0s).expired());
}

}  // namespace
}  // namespace keelson
