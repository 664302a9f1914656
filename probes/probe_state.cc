#include "probes/probe_state.h"

#include <algorithm>

namespace keelson::probes {
namespace {

Duration atLeastOneSecond(int32_t seconds) { return std::chrono::seconds(std::max(seconds, 1)); }

}  // namespace

const char* kindName(Kind kind) {
  switch (kind) {
    case Kind::kStartup:
      return "Startup";
    case Kind::kLiveness:
      return "Liveness";
    case Kind::kReadiness:
      return "Readiness";
  }
  return "";
}

const api::Probe* probeOf(const api::Container& container, Kind kind) {
  const auto& probe = kind == Kind::kStartup    ? container.startup_probe
                      : kind == Kind::kLiveness ? container.liveness_probe
                                                : container.readiness_probe;
  return probe ? &*probe : nullptr;
}

ProbeState initialState(Kind kind, std::optional<bool> known) {
  ProbeState state;
  state.result = known.value_or(kind == Kind::kLiveness);
  return state;
}

Step nextState(const ProbeState& state, const api::Probe& probe, bool success) {
  Step step{state, false};
  step.state.run = state.last == success ? state.run + 1 : 1;
  step.state.last = success;
  const int32_t threshold = std::max(success ? probe.success_threshold : probe.failure_threshold, 1);
  if (step.state.run < threshold) return step;
  step.state.run = threshold;  // a row may be as long as the pod's life
  step.state.result = success;
  step.state.decided = true;
  step.reached = true;
  return step;
}

WallTime firstProbe(const api::Probe& probe, WallTime started, WallTime now) {
  return std::max(now, started + std::chrono::seconds(std::max(probe.initial_delay_seconds, 0)));
}

std::optional<Duration> nextEarlyLook(const api::Probe& probe, int look) {
  const Duration first = probe.exec ? std::chrono::milliseconds(100) : std::chrono::milliseconds(20);
  const Duration pause = first * (int64_t{1} << std::min(look, 16));
  // All pauses together: (2^(look+1) - 1) times the first.
  const Duration passed = first * ((int64_t{2} << std::min(look, 16)) - 1);
  if (passed >= std::min(kSettling, periodOf(probe))) return std::nullopt;
  return pause;
}

Duration periodOf(const api::Probe& probe) { return atLeastOneSecond(probe.period_seconds); }
Duration timeoutOf(const api::Probe& probe) { return atLeastOneSecond(probe.timeout_seconds); }

}  // namespace keelson::probes
