// Folds what was observed into what is remembered.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/pod.h"
#include "kubelet/pod_record.h"
#include "runtime/runtime.h"

namespace keelson::kubelet {

// Instances that have ended and whose end is not in the record yet: their termination messages are
// read before recordObserved(), because afterwards nobody asks again.
std::vector<runtime::ObservedContainer> newExits(const runtime::ObservedPod& observed,
                                                 const PodRecord& record);

// The record after this observation, pure. Instances of an earlier life of the daemon are adopted;
// ends are noted with their messages (by instance); what was running and is nowhere to be found becomes
// ContainerStatusUnknown; a pod that is done or over its deadline gets its ending, for good.
PodRecord recordObserved(const api::Pod& pod, const runtime::ObservedPod& observed,
                         const std::map<ContainerId, std::string>& messages, PodRecord record, WallTime now);

// "keelson://<id>", the form of status.containerStatuses[].containerID.
std::string containerIdText(const ContainerId& id);

}  // namespace keelson::kubelet
