// Whether a container that ended starts again, and when.
#pragma once

#include <optional>
#include <string>

#include "api/pod.h"
#include "base/backoff.h"
#include "kubelet/pod_record.h"

namespace keelson::kubelet {

// The three ways a container of a pod lives. A sidecar is an init container with restartPolicy Always.
// https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
enum class ContainerKind { kInit, kSidecar, kApp };

ContainerKind initKind(const api::Container& container);

// By the container's rules (first match wins), then its own policy, then the pod's. All pure.
// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-restarts
bool restartsAfter(const api::PodSpec& spec, const api::Container& container, ContainerKind kind,
                   const api::ContainerStateTerminated& exit);
// The same of an instance that has ended. One that a failed probe ended starts again whatever its exit code
// was, unless the policy is Never.
bool restarts(const api::PodSpec& spec, const api::Container& container, ContainerKind kind,
              const InstanceRecord& ended);
// Whether its policy is Never: its own, else the pod's. A sidecar's is Always.
bool neverRestarts(const api::PodSpec& spec, const api::Container& container);

// 10 s doubled up to `longest`; a container that ran well for 10 minutes starts anew. Below 10 s `longest`
// is also the first wait (crashLoopBackOff.maxContainerRestartPeriod).
BackoffPolicy restartBackoff(Duration longest);

// The earliest time of the next start: `finished_at` itself after the first exit, else measured from
// `finished_at`, as Kubernetes does.
WallTime restartAt(const BackoffPolicy& policy, const Backoff& backoff, WallTime finished_at);
// The state after that start at `now`.
Backoff afterRestart(const BackoffPolicy& policy, const Backoff& backoff, WallTime finished_at, WallTime now);

}  // namespace keelson::kubelet
