// What is reported about a pod: the decision, without any effect.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/pod.h"
#include "kubelet/events.h"
#include "kubelet/pod_observation.h"
#include "kubelet/pod_record.h"

namespace keelson::kubelet {

struct StatusInput {
  const api::Pod& pod;
  const PodObservation& observed;
  const PodRecord& record;  // through recordObserved(); its conditions give the transition times
  const std::vector<std::string>& host_ips;
  BackoffPolicy restart;
  WallTime now;
};

// Whether a pod with this status can never run again: Succeeded or Failed.
bool isOver(const api::PodStatus& status);

// Phase, conditions, container statuses and addresses as Kubernetes words them. Pure.
// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
api::PodStatus podStatus(const StatusInput& in);

// The events that follow from a change of the status: images that do not come, containers in back-off, a
// deadline. Pure; the same pair of statuses gives the same events.
std::vector<Event> statusEvents(const api::Pod& pod, const api::PodStatus& before,
                                const api::PodStatus& after, WallTime now);

}  // namespace keelson::kubelet
