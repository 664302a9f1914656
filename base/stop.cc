// Deadline and cancel flag of blocking code.
#include <algorithm>

#include "base/executor.h"

namespace keelson {
namespace {

constexpr std::chrono::milliseconds kLongestWait = std::chrono::hours(1);

// `timeout` from now, without running over the end of the clock.
SteadyTime deadlineAfter(Duration timeout) {
  const SteadyTime now = std::chrono::steady_clock::now();
  return timeout > SteadyTime::max() - now ? SteadyTime::max() : now + timeout;
}

}  // namespace

Stop::Stop() : cancelled_(std::make_shared<std::atomic<bool>>(false)), deadline_(SteadyTime::max()) {}

Stop::Stop(Duration timeout)
    : cancelled_(std::make_shared<std::atomic<bool>>(false)), deadline_(deadlineAfter(timeout)) {}

Stop Stop::within(Duration timeout) const {
  Stop shorter(*this);
  shorter.deadline_ = std::min(deadline_, deadlineAfter(timeout));
  return shorter;
}

std::chrono::milliseconds Stop::remaining() const {
  const SteadyTime now = std::chrono::steady_clock::now();
  if (deadline_ <= now) return std::chrono::milliseconds(0);
  // Rounded up, so that a poll of this length does not end just before the deadline and spin.
  return std::min(std::chrono::ceil<std::chrono::milliseconds>(deadline_ - now), kLongestWait);
}

Result<void> Stop::check(std::string_view what) const {
  if (cancelled()) return makeError(Code::kCancelled, "{}: cancelled", what);
  if (expired()) return makeError(Code::kDeadlineExceeded, "{}: deadline exceeded", what);
  return {};
}

}  // namespace keelson
