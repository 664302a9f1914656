// Pressure stall information: how long tasks waited for memory, cpu or io.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace keelson::kernel {

// One line of a pressure file. https://docs.kernel.org/accounting/psi.html
struct PressureLine {
  double avg10 = 0;  // per cent of the time
  double avg60 = 0;
  double avg300 = 0;
  uint64_t total_us = 0;
  bool operator==(const PressureLine&) const = default;
};

struct Pressure {
  PressureLine some;                 // at least one task waited
  std::optional<PressureLine> full;  // all waited; older kernels have none for cpu
};

// kDataLoss if the text is not of that form. Pure.
Result<Pressure> parsePressure(std::string_view text);
// "/proc/pressure/memory" or a cgroup's memory.pressure. kUnsupported when the kernel has no PSI, or has it
// turned off (psi=0).
Result<Pressure> readPressure(const std::string& path);

enum class Stall { kSome, kFull };

// A descriptor that the kernel makes ready (EPOLLPRI, nothing else means anything) when tasks stalled for
// `stall` within `window` (500 ms to 10 s), at most once a window. Being asked takes the event back, so it is
// watched edge-triggered and by nobody else: not through another epoll. It costs nothing while nobody stalls.
// Needs CAP_SYS_RESOURCE for windows that are no multiple of 2 s. kUnsupported as above.
Result<UniqueFd> openPressureTrigger(const std::string& path, Stall kind, Duration stall, Duration window);

}  // namespace keelson::kernel
