// The images of this node as its status lists them; the scheduler prefers nodes that have a pod's image.
#pragma once

#include <memory>
#include <vector>

#include "api/node.h"
#include "runtime/images/image.h"

namespace keelson::kubelet::node {

inline constexpr size_t kMaxNamesPerImage = 5;

// The `max` largest (-1: all), largest first; digests before tags.
std::vector<api::ContainerImage> buildNodeImages(
    const std::vector<std::shared_ptr<const runtime::Image>>& images, int64_t max);

}  // namespace keelson::kubelet::node
