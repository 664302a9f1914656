// Why a pod must go, in the words that users know.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/pod.h"
#include "base/ids.h"
#include "kubelet/eviction/pressure_state.h"
#include "kubelet/eviction/ranking.h"
#include "kubelet/pod_record.h"

namespace keelson::kubelet::eviction {

// One pod to be ended: phase Failed with this reason and message. A value.
struct Eviction {
  PodUid uid;
  api::PodPtr pod;
  std::string reason = "Evicted";
  std::string message;
  Duration grace{0};
  // Of the pod's Evicted event: starved_resource, offending_containers, offending_containers_usage.
  api::StringMap annotations;
  // Condition DisruptionTarget, reason TerminationByKubelet: the node needed it gone; the pod did not break
  // its limits.
  bool disruption_target = false;
  std::string signal;  // of kubelet_evictions: "memory.available", "emptydirfs.limit", ...
};

// Hard thresholds and limits: 1 s. Soft: the pod's own grace period, at most `max_pod_grace_seconds` (none if
// negative), at least 1 s. Pure, as everything here.
Duration evictionGrace(const api::Pod& pod, const Threshold& threshold, int64_t max_pod_grace_seconds);

// For the threshold that is acted on; `met` and `observations` are of the same round.
Eviction pressureEviction(const Candidate& candidate, const Threshold& threshold,
                          const std::vector<Threshold>& met, const Observations& observations,
                          int64_t max_pod_grace_seconds);

// Whether something of the pod has a limit on disk: only such pods are measured while the node is well.
bool hasDiskLimits(const api::Pod& pod);
// The first limit that the pod breaks: an emptyDir's sizeLimit, the sum of its containers' ephemeral-storage
// limits, then a container's own (its logs, and its writable layer unless that lies on a disk of its own).
std::optional<Eviction> limitEviction(const api::PodPtr& pod, const stats::PodStats& stats,
                                      const stats::DiskLayout& layout);

// Whether the pod may start: under memory pressure alone all but best-effort pods that do not tolerate it;
// under any other pressure critical pods only. "Pod was rejected: The node had condition: [DiskPressure]. "
Admission admitUnderPressure(const api::Pod& pod, const node::NodePressure& pressure);

}  // namespace keelson::kubelet::eviction
