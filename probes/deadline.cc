#include "probes/deadline.h"

#include <algorithm>

namespace keelson::probes {
namespace {

// A timer that is this late is no sign of a loop that was held up.
constexpr Duration kOrdinaryLateness = std::chrono::milliseconds(5);

}  // namespace

Deadline::Deadline(Loop& loop, Clock& clock, Duration timeout, std::function<void()> expired)
    : loop_(loop), clock_(clock), timeout_(timeout), credit_(timeout), expired_(std::move(expired)) {
  arm(timeout_);
}

void Deadline::arm(Duration delay) {
  due_ = clock_.steady() + delay;
  timer_ = loop_.after(delay, [this] { fire(); });
}

void Deadline::fire() {
  const Duration late = std::min<Duration>(clock_.steady() - due_, credit_);
  if (late > kOrdinaryLateness) {
    credit_ -= late;
    return arm(late);
  }
  // The owner may be destroyed by it.
  const auto expired = std::move(expired_);
  expired();
}

}  // namespace keelson::probes
