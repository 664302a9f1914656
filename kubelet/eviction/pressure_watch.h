// Tells at once when tasks wait for memory.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/executor.h"
#include "base/result.h"

namespace keelson::kubelet::eviction {

// A PSI trigger on the loop: `stalled` runs, at most once a second, when tasks waited for memory for 150 ms
// within one second. Twice both in a daemon without
// CAP_SYS_RESOURCE. Costs nothing while nobody waits. Ends with its destruction. Home: loop.
class PressureWatch {
 public:
  // Of /proc/pressure/memory, or a cgroup's memory.pressure. kUnsupported on kernels without PSI.
  static Result<PressureWatch> open(Loop& loop, const std::string& path, std::function<void()> stalled);
  PressureWatch(PressureWatch&&) noexcept;
  PressureWatch& operator=(PressureWatch&&) noexcept;
  ~PressureWatch();

  static constexpr Duration kStall = std::chrono::milliseconds(150);
  static constexpr Duration kWindow = std::chrono::seconds(1);

 private:
  class Impl;
  explicit PressureWatch(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace keelson::kubelet::eviction
