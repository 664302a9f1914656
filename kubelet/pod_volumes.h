// A pod's objects and volumes, as its strand keeps them up to date.
#pragma once

#include "kubelet/pod_state.h"
#include "kubelet/worker_context.h"

namespace keelson::kubelet {

// What the pod may see of the objects as they are known now.
PodObjects podObjects(const PodState& state, const WorkerContext& context);
VolumeMaker volumeMaker(const PodState& state, const WorkerContext& context);
// What the volumes' files would be made of now; asks for tokens that are needed.
VolumesMadeOf volumesMadeOf(const PodState& state, const WorkerContext& context);

// Begins a look, and has tokens fetched in time: when anything that the pod names has changed since the last
// one, the steps that failed for want of it are due at once. Strand of the pod.
void takeObjects(PodState& state, const WorkerContext& context);

// Rewrites volumes whose objects, tokens or pod have changed since they were written; files stay where there
// is nothing to replace them with, with a FailedMount event if that is an error. Does nothing before the
// volumes are there. Strand of the pod; short blocking calls.
void refreshVolumes(PodState& state, const WorkerContext& context);

}  // namespace keelson::kubelet
