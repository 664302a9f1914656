#include "base/clock.h"

namespace keelson {
namespace {

class RealClock final : public Clock {
 public:
  WallTime wall() const override {
    return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
  }
  SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
};

}  // namespace

Clock& realClock() {
  static RealClock clock;
  return clock;
}

}  // namespace keelson
