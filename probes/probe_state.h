// What a row of outcomes means: thresholds, in one pure step.
#pragma once

#include <optional>
#include <string>

#include "api/pod.h"
#include "base/clock.h"

namespace keelson::probes {

enum class Kind { kStartup, kLiveness, kReadiness };
const char* kindName(Kind kind);  // "Startup", as events begin

// The probe of that kind, or nullptr.
const api::Probe* probeOf(const api::Container& container, Kind kind);

// Of one probe of one instance of a container. `result` is what counts: it changes only after as many equal
// outcomes in a row as its threshold says. A value.
struct ProbeState {
  bool result = false;
  std::optional<bool> last;  // outcome
  int32_t run = 0;           // how many of it in a row
  bool decided = false;      // a threshold was reached in this life
};

// Before the first outcome: readiness and startup fail, liveness holds; `known` is what an earlier life of
// the agent saw.
ProbeState initialState(Kind kind, std::optional<bool> known);

struct Step {
  ProbeState state;
  bool reached = false;  // the threshold was reached with this outcome: the result counts (anew)
};
Step nextState(const ProbeState& state, const api::Probe& probe, bool success);

// When the first look is due: the initial delay after the start of the container, or now.
WallTime firstProbe(const api::Probe& probe, WallTime started, WallTime now);

// A container that was just started is hardly up yet, and a failure now would keep it from being ready for a
// whole period. So the looks that count begin `kSettling` (or a period, if that is shorter) after the first
// one is due; until then startup and readiness are looked at often, and only a success counts. The kubelet
// has such a pause by its own slowness.
inline constexpr Duration kSettling = std::chrono::seconds(1);
// The pause after early look number `look` (from 0): doubling, longer for commands; nullopt: the looks that
// count begin.
std::optional<Duration> nextEarlyLook(const api::Probe& probe, int look);

Duration periodOf(const api::Probe& probe);
Duration timeoutOf(const api::Probe& probe);

}  // namespace keelson::probes
