// Exponential back-off as a pure value.
#pragma once

#include <algorithm>
#include <optional>

#include "base/clock.h"

namespace keelson {

// How one flow retries: first wait, cap, and the quiet time after which it starts anew.
struct BackoffPolicy {
  Duration initial = std::chrono::seconds(10);
  Duration max = std::chrono::seconds(300);
  Duration reset_after = std::chrono::minutes(10);
};

// The state of one key's back-off: plain values, kept by the caller and saved with its record.
struct Backoff {
  Duration delay{0};                // 0: no failure seen yet
  std::optional<WallTime> updated;  // when `delay` was last raised

  // The state after one more failure at `now`: initial, then doubled up to max; starts anew when
  // the last update lies further back than reset_after.
  Backoff next(const BackoffPolicy& policy, WallTime now) const {
    const bool fresh = !updated || delay == Duration{0} || now - *updated > policy.reset_after;
    return {fresh ? std::min(policy.initial, policy.max) : std::min(delay * 2, policy.max), now};
  }
};

}  // namespace keelson
