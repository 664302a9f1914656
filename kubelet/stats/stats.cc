#include "kubelet/stats/stats.h"

#include <algorithm>

namespace keelson::kubelet::stats {

DiskUsage sum(const DiskUsage& a, const DiskUsage& b) {
  return {Bytes{a.bytes.value + b.bytes.value}, a.inodes + b.inodes, std::min(a.at, b.at),
          a.complete && b.complete};
}

DiskUsage PodStats::ephemeral() const {
  std::optional<DiskUsage> total;
  const auto add = [&total](const std::optional<DiskUsage>& part) {
    if (part) total = total ? sum(*total, *part) : *part;
  };
  for (const ContainerStats& container : containers) {
    add(container.rootfs);
    add(container.logs);
  }
  for (const VolumeStats& volume : volumes) add(volume.usage);
  add(files);
  return total.value_or(DiskUsage{});
}

DiskLayout diskLayout(const NodeStats& node) {
  DiskLayout layout;
  if (!node.nodefs || !node.imagefs) return layout;
  layout.dedicated_imagefs = node.imagefs->device != node.nodefs->device;
  layout.split_containerfs =
      layout.dedicated_imagefs && node.containerfs && node.containerfs->device == node.nodefs->device;
  return layout;
}

}  // namespace keelson::kubelet::stats
