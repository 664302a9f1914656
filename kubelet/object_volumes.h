// configMap, secret, downwardAPI and projected volumes on this node.
#pragma once

#include <string>

#include "api/pod.h"
#include "kubelet/volume_files.h"
#include "kubelet/volumes.h"

namespace keelson::kubelet {

// Opens the volume's directory and makes it unless it is there: a tmpfs of the pod for what must not reach a
// disk, else <root>/pods/UID/volumes/kubernetes.io~KIND/NAME. kFailedPrecondition without a sandbox (tmpfs).
Result<DirFd> openObjectVolume(const api::Pod& pod, const api::Volume& volume, const VolumeMaker& maker,
                               Stop& stop);

// What became of one volume.
enum class VolumeWrite {
  kUnchanged,
  kWritten,
  kStale,  // the files of before stay: what they are made of is not known, or not right, now
};
struct VolumeOutcome {
  VolumeWrite write = VolumeWrite::kUnchanged;
  Error why;  // kStale
};

// Brings the volume's files up to date. A volume that has files keeps them when there is nothing to replace
// them with; the error is then in the outcome. May run twice.
Result<VolumeOutcome> writeObjectVolume(const api::Pod& pod, const api::Volume& volume,
                                        const VolumeMaker& maker, Stop& stop);

}  // namespace keelson::kubelet
