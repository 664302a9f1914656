// The time limit of a probe, which does not charge the target for our own lateness.
#pragma once

#include <functional>

#include "base/clock.h"
#include "base/executor.h"

namespace keelson::probes {

// Calls `expired` once after `timeout`. A loop that was held up (a full CPU, a stopped machine) sees its
// timers late, before it has looked at what the sockets have meanwhile: then the limit is put off by the time
// that the loop was late, at most by the timeout itself, so that an answer that is there counts. Home: loop.
class Deadline {
 public:
  Deadline(Loop& loop, Clock& clock, Duration timeout, std::function<void()> expired);

 private:
  void arm(Duration delay);
  void fire();

  Loop& loop_;
  Clock& clock_;
  const Duration timeout_;
  Duration credit_;  // what lateness may still put off
  SteadyTime due_;
  std::function<void()> expired_;
  Registration timer_;
};

}  // namespace keelson::probes
