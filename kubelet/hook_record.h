// What is remembered of a lifecycle hook.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"

namespace keelson::kubelet {

enum class HookKind { kPostStart, kPreStop };
enum class HookPhase { kNone, kBegun, kDone, kFailed };

// One hook of one instance of a container. kBegun is written down before the hook runs, its end before
// anything rests on it: a hook whose end no life of the daemon saw runs again, one that has ended never does.
struct HookRecord {
  HookPhase phase = HookPhase::kNone;
  std::optional<WallTime> begun;  // the first time
  std::string message;            // kFailed
  bool operator==(const HookRecord&) const = default;
};

inline const char* hookName(HookKind kind) { return kind == HookKind::kPostStart ? "postStart" : "preStop"; }

}  // namespace keelson::kubelet
