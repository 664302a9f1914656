// Which containers of a running pod are due.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/pod.h"
#include "base/backoff.h"
#include "kubelet/pod_observation.h"
#include "kubelet/pod_record.h"

namespace keelson::kubelet {

struct ContainerStep {
  // kReplace: what runs is to be stopped, since the spec or a failed probe says so.
  // kPostStart: its hook has not ended, which holds up every start after it in the list.
  enum class Kind { kStart, kReplace, kPostStart, kWait };
  Kind kind = Kind::kWait;
  const api::Container* spec = nullptr;  // in the pod that was asked about
  uint32_t attempt = 0;                  // kStart
  std::string wait;                      // kWait: for people
  std::optional<WallTime> until;         // kWait
};

// Init containers one by one, sidecars kept, then all app containers; with restart policy and back-off.
// A container that runs as it should has no step. Pure.
std::vector<ContainerStep> containerSteps(const api::Pod& pod, const PodObservation& observed,
                                          const PodRecord& record, const BackoffPolicy& policy, WallTime now);

// Whether a running instance counts as started: its postStart hook and its startup probe have succeeded, if
// it has any.
bool isStarted(const api::Container& container, const InstanceRecord& instance);

// Whether every init container has done its part in the present sandbox: regular ones exited 0, sidecars
// started.
bool initialized(const api::Pod& pod, const PodObservation& observed, const PodRecord& record);

// Whether the container's newest instance waits for its restart time, and how long that wait is in all.
struct RestartWait {
  Duration delay{0};
  WallTime until;
};
std::optional<RestartWait> restartWait(const ContainerRecord& container, const BackoffPolicy& policy,
                                       WallTime now);

}  // namespace keelson::kubelet
