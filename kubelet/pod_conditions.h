// The conditions of a pod.
#pragma once

#include "kubelet/pod_status.h"

namespace keelson::kubelet {

// PodReadyToStartContainers, Initialized, Ready, ContainersReady, DisruptionTarget, PodScheduled, in
// kubectl's order, for a status whose phase and containers are filled in. A condition whose status did not
// change keeps its transition time. Pure.
// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-conditions
std::vector<api::PodCondition> podConditions(const StatusInput& in, const api::PodStatus& status);

}  // namespace keelson::kubelet
