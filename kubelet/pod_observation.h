// What one look of a pod's strand sees: the runtime's answer and what this life of the daemon is doing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "runtime/runtime.h"

namespace keelson::kubelet {

enum class ImageState {
  kAbsent,
  kPresent,  // on this node, from whatever time
  kPulling,
  kPulled,      // fetched for this attempt of the container (imagePullPolicy Always)
  kBadName,     // the reference cannot be parsed
  kUnreadable,  // the store did not answer
};

// The image of the container's next instance.
struct ImageObservation {
  ImageState state = ImageState::kAbsent;
  std::string error;  // kBadName, kUnreadable
};

// A step that failed and is not tried again before `retry_at`.
struct StepFailure {
  std::string reason;  // for a container: CreateContainerConfigError, ...; for the pod: the event's reason
  std::string message;
  Duration delay{0};  // the wait before this retry; grows with each failure in a row
  WallTime retry_at;
};

enum class StepState { kNone, kWorking, kReady };

// All of it can be found again after a restart of the daemon.
struct PodObservation {
  runtime::ObservedPod runtime;
  std::map<std::string, ImageObservation> images;     // by container
  StepState volumes = StepState::kNone;               // for the present sandbox
  std::map<std::string, StepState> mounts;            // by container; only those with host paths
  std::optional<StepFailure> pod_failure;             // sandbox, network, volumes or tear-down
  std::map<std::string, StepFailure> start_failures;  // by container

  bool ready() const { return runtime.sandbox == runtime::SandboxPhase::kReady; }
  bool absent() const { return runtime.sandbox == runtime::SandboxPhase::kAbsent; }
};

// The observed instance with this id, nullptr if the runtime does not know it.
const runtime::ObservedContainer* findInstance(const runtime::ObservedPod& pod, const ContainerId& id);
// Whether it is known and runs: nothing runs without a ready sandbox.
bool isRunning(const runtime::ObservedPod& pod, const ContainerId& id);

}  // namespace keelson::kubelet
