// Time as an effect: nobody reads the clock directly.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace keelson {

using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;
using SteadyTime = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;

// Wall time for what people and the API read, steady time for deadlines. Any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime wall() const = 0;
  virtual SteadyTime steady() const = 0;
};

// The machine's clocks (CLOCK_REALTIME, CLOCK_MONOTONIC).
Clock& realClock();

// RFC 3339 in UTC with whole seconds: "2026-11-20T16:51:48Z", the form of metav1.Time.
std::string formatTime(WallTime time);
// RFC 3339 in UTC with nine digits: "2026-11-20T16:51:48.123456789Z", the form of CRI log lines.
std::string formatTimeNano(WallTime time);
// Any RFC 3339 time with up to nine fraction digits and an offset. kInvalidArgument otherwise.
Result<WallTime> parseTime(std::string_view text);

// Go's duration syntax, as Kubernetes configuration uses it: "1m30s", "100ms", "0".
Result<Duration> parseDuration(std::string_view text);
// Shortest form of the same: "1m30s", "250ms", "0s".
std::string formatDuration(Duration duration);

}  // namespace keelson
