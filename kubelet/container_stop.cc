#include "kubelet/container_stop.h"

#include <algorithm>

namespace keelson::kubelet {

bool hasPostStart(const api::Container& container) {
  return container.lifecycle && container.lifecycle->post_start;
}

bool hasPreStop(const api::Container& container) {
  return container.lifecycle && container.lifecycle->pre_stop;
}

bool awaitsPostStart(const api::Container& container, const InstanceRecord& instance) {
  const HookPhase phase = instance.post_start.phase;
  return hasPostStart(container) && (phase == HookPhase::kNone || phase == HookPhase::kBegun);
}

WallTime stopEnd(const InstanceRecord* instance, WallTime end) {
  return instance != nullptr && instance->stop_by ? std::min(end, *instance->stop_by) : end;
}

StopStep stopStep(const api::Container* spec, const InstanceRecord* instance, WallTime end, WallTime now) {
  if (spec == nullptr || instance == nullptr || !hasPreStop(*spec)) return StopStep::kSignal;
  if (instance->kill_at || now >= stopEnd(instance, end)) return StopStep::kSignal;
  switch (instance->pre_stop.phase) {
    case HookPhase::kNone:
      return StopStep::kBeginHook;
    case HookPhase::kBegun:
      return instance->stop_by && end + kStopSlack < *instance->stop_by ? StopStep::kBeginHook
                                                                        : StopStep::kAwaitHook;
    case HookPhase::kDone:
    case HookPhase::kFailed:
      break;
  }
  return StopStep::kSignal;
}

}  // namespace keelson::kubelet
