// What a container waits for as long as its image is not here.
#pragma once

#include <optional>

#include "api/pod.h"
#include "kubelet/pod_observation.h"
#include "kubelet/pod_record.h"

namespace keelson::kubelet {

// A failed pull is shown as itself for this long, then as the back-off that follows it.
inline constexpr Duration kPullErrorShown = std::chrono::seconds(3);

// The waiting state (ErrImagePull, ImagePullBackOff, ErrImageNeverPull, InvalidImageName, ...) with
// Kubernetes' messages; nullopt if the image does not hold the container up, or is being fetched for the
// first time. Pure.
std::optional<api::ContainerStateWaiting> imageWait(const api::Container& container,
                                                    const ImageObservation& image, const PullFailure* failure,
                                                    WallTime now);

}  // namespace keelson::kubelet
