#include "kubelet/node/node_images.h"

#include <algorithm>

namespace keelson::kubelet::node {

std::vector<api::ContainerImage> buildNodeImages(
    const std::vector<std::shared_ptr<const runtime::Image>>& images, int64_t max) {
  std::vector<const runtime::Image*> sorted;
  for (const auto& image : images) sorted.push_back(image.get());
  // The id decides between equals: the order must not change from one look to the next.
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) {
    return a->size != b->size ? a->size > b->size : a->id < b->id;
  });
  if (max >= 0 && sorted.size() > static_cast<size_t>(max)) sorted.resize(static_cast<size_t>(max));
  std::vector<api::ContainerImage> out;
  for (const auto* image : sorted) {
    api::ContainerImage entry;
    entry.names = image->repo_digests;
    entry.names.insert(entry.names.end(), image->repo_tags.begin(), image->repo_tags.end());
    if (entry.names.size() > kMaxNamesPerImage) entry.names.resize(kMaxNamesPerImage);
    entry.size_bytes = image->size.value;
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace keelson::kubelet::node
