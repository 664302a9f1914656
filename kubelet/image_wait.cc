#include "kubelet/image_wait.h"

#include <fmt/format.h>

namespace keelson::kubelet {

std::optional<api::ContainerStateWaiting> imageWait(const api::Container& container,
                                                    const ImageObservation& image, const PullFailure* failure,
                                                    WallTime now) {
  const std::string& name = container.image;
  switch (image.state) {
    case ImageState::kBadName:
      return api::ContainerStateWaiting{
          "InvalidImageName", fmt::format("Failed to apply default image tag \"{}\": {}", name, image.error)};
    case ImageState::kUnreadable:
      return api::ContainerStateWaiting{"ImageInspectError",
                                        fmt::format("Failed to inspect image \"{}\": {}", name, image.error)};
    case ImageState::kPulled:
      return std::nullopt;
    case ImageState::kPresent:
      if (container.image_pull_policy != "Always") return std::nullopt;
      break;
    case ImageState::kAbsent:
      if (container.image_pull_policy == "Never") {
        return api::ContainerStateWaiting{
            "ErrImageNeverPull",
            fmt::format("Container image \"{}\" is not present with pull policy of Never", name)};
      }
      break;
    case ImageState::kPulling:
      break;
  }
  if (failure == nullptr) return std::nullopt;
  if (now < failure->failed_at + kPullErrorShown) {
    return api::ContainerStateWaiting{failure->reason, failure->message};
  }
  return api::ContainerStateWaiting{"ImagePullBackOff", fmt::format("Back-off pulling image \"{}\": {}: {}",
                                                                    name, failure->reason, failure->message)};
}

}  // namespace keelson::kubelet
