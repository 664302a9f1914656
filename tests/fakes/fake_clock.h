// A clock that stands still until a test moves it.
#pragma once

#include <mutex>

#include "base/clock.h"

namespace keelson {

// Wall time begins at 2026-01-01T00:00:00Z, steady time at one hour. Owned by the test. Any thread.
class FakeClock final : public Clock {
 public:
  WallTime wall() const override {
    const std::lock_guard lock(mutex_);
    return wall_;
  }
  SteadyTime steady() const override {
    const std::lock_guard lock(mutex_);
    return steady_;
  }

  // Time passes: both move.
  void advance(Duration by) {
    const std::lock_guard lock(mutex_);
    wall_ += by;
    steady_ += by;
  }
  // Somebody set the machine's clock: only wall time jumps.
  void setWall(WallTime to) {
    const std::lock_guard lock(mutex_);
    wall_ = to;
  }

 private:
  mutable std::mutex mutex_;
  WallTime wall_{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
  SteadyTime steady_{std::chrono::hours(1)};
};

}  // namespace keelson
