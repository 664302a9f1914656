// What is reported about one container of a pod.
#pragma once

#include "kubelet/pod_status.h"
#include "kubelet/restart.h"

namespace keelson::kubelet {

// Waiting, running or terminated with Kubernetes' reasons; the last state; readiness. Pure.
api::ContainerStatus containerStatus(const StatusInput& in, const api::Container& container,
                                     ContainerKind kind);

}  // namespace keelson::kubelet
