// What a pod's status in the API server should become: the decision, without any effect.
#pragma once

#include <optional>

#include "api/pod.h"
#include "base/ids.h"
#include "base/json.h"

namespace keelson::kubelet::cluster {

// Whether the API object stands for a static pod, and the uid by which the kubelet knows the pod.
bool isMirror(const api::Pod& known);
PodUid localUid(const api::Pod& known);

// `wanted`, as far as it is no step back from what the API server has: a terminal phase is final, startTime
// and qosClass stay, restart counts never sink, an end that was told does not vanish, conditions of others
// stay, and a condition whose status did not change keeps its time. What this daemon has forgotten (a lost
// record) is taken from there. Times have whole seconds. Pure.
api::PodStatus mergeStatus(const api::Pod& known, const api::PodStatus& wanted);

// The strategic merge patch of the pod's status subresource that brings the merged status about, with
// metadata.uid as its precondition; nullopt if the API server has it already. Pure.
// https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/
std::optional<json::value> statusPatch(const api::Pod& known, const api::PodStatus& wanted);

}  // namespace keelson::kubelet::cluster
