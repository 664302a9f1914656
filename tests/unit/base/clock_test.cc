#include "base/clock.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/fakes/fake_clock.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;

WallTime atSeconds(int64_t seconds, int64_t nanoseconds = 0) {
  return WallTime(std::chrono::seconds(seconds) + std::chrono::nanoseconds(nanoseconds));
}

TEST(FormatTime, WritesUtcWithWholeSeconds) {
  EXPECT_EQ(formatTime(atSeconds(0)), "1970-01-01T00:00:00Z");
  EXPECT_EQ(formatTime(atSeconds(1795193508)), "2026-11-20T16:51:48Z");
  EXPECT_EQ(formatTime(atSeconds(1795193508, 999'999'999)), "2026-11-20T16:51:48Z");
  EXPECT_EQ(formatTime(atSeconds(-1)), "1969-12-31T23:59:59Z");
  EXPECT_EQ(formatTime(atSeconds(1709164800)), "2024-02-29T00:00:00Z");
}

TEST(FormatTime, WritesNineDigitsForLogLines) {
  EXPECT_EQ(formatTimeNano(atSeconds(1795193508, 123'456'789)), "2026-11-20T16:51:48.123456789Z");
  EXPECT_EQ(formatTimeNano(atSeconds(1795193508, 5)), "2026-11-20T16:51:48.000000005Z");
  EXPECT_EQ(formatTimeNano(atSeconds(0, -1)), "1969-12-31T23:59:59.999999999Z");
}

TEST(ParseTime, ReadsWhatRfc3339Allows) {
  struct Case {
    const char* text;
    WallTime time;
  };
  for (const Case& c :
       {Case{"1970-01-01T00:00:00Z", atSeconds(0)}, Case{"2026-11-20T16:51:48Z", atSeconds(1795193508)},
        Case{"2026-11-20t16:51:48z", atSeconds(1795193508)},
        Case{"2026-11-20T16:51:48.5Z", atSeconds(1795193508, 500'000'000)},
        Case{"2026-11-20T16:51:48.123456789Z", atSeconds(1795193508, 123'456'789)},
        Case{"2026-11-20T18:21:48+01:30", atSeconds(1795193508)},
        Case{"2026-11-20T08:51:48-08:00", atSeconds(1795193508)},
        Case{"2024-02-29T00:00:00Z", atSeconds(1709164800)},
        Case{"1969-12-31T23:59:59.999999999Z", atSeconds(0, -1)}}) {
    const Result<WallTime> time = parseTime(c.text);
    ASSERT_TRUE(time.ok()) << c.text;
    EXPECT_EQ(*time, c.time) << c.text;
  }
}

TEST(ParseTime, RefusesEverythingElse) {
  for (const char* text : {"",
                           "now",
                           "2026-11-20",
                           "2026-11-20T16:51:48",
                           "2026-11-20 16:51:48Z",
                           "2026-13-01T00:00:00Z",
                           "2026-00-01T00:00:00Z",
                           "2025-02-29T00:00:00Z",
                           "2026-11-31T00:00:00Z",
                           "2026-11-20T24:00:00Z",
                           "2026-11-20T16:60:00Z",
                           "2026-11-20T16:51:60Z",
                           "2026-11-20T16:51:48.Z",
                           "2026-11-20T16:51:48.1234567890Z",
                           "2026-11-20T16:51:48+0100",
                           "2026-11-20T16:51:48+24:00",
                           "2026-11-20T16:51:48Z ",
                           " 2026-11-20T16:51:48Z",
                           "-026-11-20T16:51:48Z",
                           "0001-01-01T00:00:00Z",
                           "9999-01-01T00:00:00Z",
                           "2026-11-20T16:51:48,5Z"}) {
    const Result<WallTime> time = parseTime(text);
    ASSERT_FALSE(time.ok()) << text;
    EXPECT_EQ(time.error().code, Code::kInvalidArgument);
  }
}

TEST(ParseTime, ReadsBackWhatFormatTimeNanoWrote) {
  for (int64_t second : {int64_t{-9'000'000'000}, int64_t{0}, int64_t{951'782'400}, int64_t{9'000'000'000}}) {
    const WallTime time = atSeconds(second, 17);
    EXPECT_EQ(parseTime(formatTimeNano(time)).value(), time);
  }
}

TEST(ParseDuration, ReadsGoDurations) {
  struct Case {
    const char* text;
    Duration duration;
  };
  for (const Case& c : {Case{"0", 0s},
                        Case{"0s", 0s},
                        Case{"5s", 5s},
                        Case{"30s", 30s},
                        Case{"1478s", 1478s},
                        Case{"-5s", -5s},
                        Case{"+5s", 5s},
                        Case{"-0", 0s},
                        Case{"5.0s", 5s},
                        Case{"5.6s", 5600ms},
                        Case{"5.s", 5s},
                        Case{".5s", 500ms},
                        Case{"1.004s", 1004ms},
                        Case{"10ns", 10ns},
                        Case{"11us", 11us},
                        Case{"12\u00b5s", 12us},
                        Case{"12\u03bcs", 12us},
                        Case{"13ms", 13ms},
                        Case{"14s", 14s},
                        Case{"15m", 15min},
                        Case{"16h", 16h},
                        Case{"3h30m", 3h + 30min},
                        Case{"10.5s4m", 4min + 10500ms},
                        Case{"1h2m3s4ms5us6ns", 1h + 2min + 3s + 4ms + 5us + 6ns},
                        Case{"0.3333333333333333333h", 20min - 1ns},
                        Case{"9223372036854775807ns", Duration::max()},
                        Case{"-9223372036854775808ns", Duration::min()}}) {
    const Result<Duration> duration = parseDuration(c.text);
    ASSERT_TRUE(duration.ok()) << c.text;
    EXPECT_EQ(duration->count(), c.duration.count()) << c.text;
  }
}

TEST(ParseDuration, RefusesWhatGoRefuses) {
  for (const char* text : {"",
                           "3",
                           "-",
                           "s",
                           ".",
                           "-.",
                           ".s",
                           "+.s",
                           "1d",
                           "1 s",
                           "1s ",
                           "5m-3s",
                           "1e3s",
                           "0x1s",
                           "9223372036854775808ns",
                           "-9223372036854775809ns",
                           "9223372036854775.808us",
                           "3000000h",
                           "99999999999999999999s",
                           "1S",
                           "1..5s"}) {
    const Result<Duration> duration = parseDuration(text);
    ASSERT_FALSE(duration.ok()) << text;
    EXPECT_EQ(duration.error().code, Code::kInvalidArgument);
  }
}

TEST(FormatDuration, WritesTheShortestForm) {
  struct Case {
    Duration duration;
    const char* text;
  };
  for (const Case& c : {Case{0s, "0s"}, Case{1ns, "1ns"}, Case{1100ns, "1.1\u00b5s"}, Case{2200us, "2.2ms"},
                        Case{250ms, "250ms"}, Case{3300ms, "3.3s"}, Case{90s, "1m30s"}, Case{1min, "1m"},
                        Case{4min + 5s + 1ms, "4m5.001s"}, Case{1h, "1h"}, Case{1h + 1s, "1h1s"},
                        Case{-90s, "-1m30s"}, Case{Duration::max(), "2562047h47m16.854775807s"},
                        Case{Duration::min(), "-2562047h47m16.854775808s"}}) {
    EXPECT_EQ(formatDuration(c.duration), c.text);
    EXPECT_EQ(parseDuration(c.text).value(), c.duration) << c.text;
  }
}

TEST(RealClock, MovesForwardAndKnowsTheDate) {
  const Clock& clock = realClock();
  const SteadyTime begin = clock.steady();
  EXPECT_GE(clock.steady(), begin);
  EXPECT_GT(clock.wall(), parseTime("2024-01-01T00:00:00Z").value());
}

TEST(FakeClock, MovesOnlyWhenToldTo) {
  FakeClock clock;
  const WallTime wall = clock.wall();
  const SteadyTime steady = clock.steady();
  clock.advance(10s);
  EXPECT_EQ(clock.wall() - wall, 10s);
  EXPECT_EQ(clock.steady() - steady, 10s);
  clock.setWall(wall);
  EXPECT_EQ(clock.wall(), wall);
  EXPECT_EQ(clock.steady() - steady, 10s);
}

}  // namespace
}  // namespace keelson
