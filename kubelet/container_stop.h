// How a running container is brought to its end: first its preStop hook, then its signal.
#pragma once

#include <string>

#include "kubelet/pod_plan.h"

namespace keelson::kubelet {

bool hasPostStart(const api::Container& container);
bool hasPreStop(const api::Container& container);

// Whether the postStart hook of a running instance has not ended yet.
bool awaitsPostStart(const api::Container& container, const InstanceRecord& instance);

// The next step of a stop whose grace period is over at `end`.
enum class StopStep {
  kBeginHook,  // the preStop hook is due, or has to be done sooner than it was told
  kAwaitHook,
  kSignal,  // no hook, or its time is over: the signal is due
};
// `spec` and `instance` may be nullptr: what nobody knows has no hook. Pure.
StopStep stopStep(const api::Container* spec, const InstanceRecord* instance, WallTime end, WallTime now);

// When the grace period of a stop that would be over at `end` is over, that which has begun included: it can
// only come nearer.
WallTime stopEnd(const InstanceRecord* instance, WallTime end);

// A later look than this changes nothing worth a second stop.
inline constexpr Duration kStopSlack = std::chrono::seconds(1);

}  // namespace keelson::kubelet
