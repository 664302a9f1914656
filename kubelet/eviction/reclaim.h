// What the node can give up before a pod must go.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "api/pod.h"
#include "base/executor.h"
#include "base/result.h"
#include "kubelet/eviction/thresholds.h"
#include "kubelet/stats/stats.h"
#include "runtime/images/image_service.h"

namespace keelson::kubelet::eviction {

// Blocks; called from the manager's strand only.
class Reclaim {
 public:
  virtual ~Reclaim() = default;
  // Removes every image that none of these pods names or runs. Does not stop at the first error.
  virtual ErrorList unusedImages(const std::vector<api::PodPtr>& pods, Stop& stop) = 0;
};

// Whether removing images helps the disk that `signal` is about. Pure.
bool imagesHelp(Signal signal, const stats::DiskLayout& layout);

using Images = std::vector<std::shared_ptr<const runtime::Image>>;
// The ids of those images that are not in `used`. Pure.
std::vector<std::string> planUnusedImages(const Images& images, const std::set<std::string>& used);

// Through the image service. An image whose layers are leased by a container goes by name only; its layers
// stay until the lease ends.
class ImageReclaim final : public Reclaim {
 public:
  explicit ImageReclaim(runtime::ImageService& service) : service_(service) {}
  ErrorList unusedImages(const std::vector<api::PodPtr>& pods, Stop& stop) override;

 private:
  runtime::ImageService& service_;
};

}  // namespace keelson::kubelet::eviction
