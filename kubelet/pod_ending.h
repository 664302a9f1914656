// The steps of a pod that shall not run any more.
#pragma once

#include "kubelet/pod_plan.h"

namespace keelson::kubelet {

// terminationGracePeriodSeconds of the pod, 30 s if absent.
Duration specGrace(const api::Pod& pod);

// Stops what runs (sidecars after the app containers, last started first, inside one grace period), then
// tears the sandbox down; a deleted pod is released at last, an ended one keeps record and logs. Pure.
// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination
Plan planEnding(const api::Pod& pod, const PodObservation& observed, const PodRecord& record, WallTime now);

// The end of a pod whose runtime does not answer: no actions until its grace period is well over, then it is
// torn down and released without a look. Pure.
Plan planBlindEnding(const api::Pod& pod, const PodRecord& record, WallTime now);

}  // namespace keelson::kubelet
