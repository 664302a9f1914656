// A token bucket as a pure value.
#pragma once

#include <algorithm>

#include "base/clock.h"

namespace keelson::api::client {

// `rate` tokens a second, at most `burst` saved up. A rate of 0 or less limits nothing. The caller says what
// time it is. Owned by one place.
class TokenBucket {
 public:
  TokenBucket(double rate, int burst)
      : rate_(rate), burst_(std::max(1.0, static_cast<double>(burst))), tokens_(burst_) {}

  // Takes one token and returns 0, or takes none and returns how long until there is one.
  Duration take(SteadyTime now) {
    if (rate_ <= 0) return Duration{0};
    if (updated_ != SteadyTime{} && now > updated_) {
      tokens_ = std::min(burst_, tokens_ + rate_ * std::chrono::duration<double>(now - updated_).count());
    }
    updated_ = now;
    if (tokens_ >= 1) {
      tokens_ -= 1;
      return Duration{0};
    }
    const double seconds = std::min((1 - tokens_) / rate_, 3600.0);
    return std::chrono::ceil<std::chrono::microseconds>(std::chrono::duration<double>(seconds));
  }

 private:
  double rate_, burst_, tokens_;
  SteadyTime updated_{};
};

}  // namespace keelson::api::client
