// What pods and the node use: the values that eviction decides on and /stats/summary shows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "kernel/cgroup_memory.h"
#include "kernel/meminfo.h"
#include "kernel/statfs.h"
#include "kubelet/stats/tree_usage.h"

namespace keelson::kubelet::stats {

// Plain values, any thread. What could not be read, or was not asked for, is absent.

struct CgroupUsage {
  std::optional<kernel::CgroupMemory> memory;
  std::optional<uint64_t> cpu_nanoseconds;
  std::optional<uint64_t> pids;
  WallTime at;
};

struct ContainerStats {
  std::string name;
  ContainerId id;
  bool running = false;
  std::optional<WallTime> started_at;
  CgroupUsage usage;
  std::optional<DiskUsage> rootfs;  // writable layer and the image's anonymous volumes
  std::optional<DiskUsage> logs;
};

struct VolumeStats {
  std::string name;
  DiskUsage usage;
};

struct PodStats {
  PodUid uid;
  CgroupUsage usage;  // of the pod's cgroup: all containers, and tmpfs they wrote
  std::vector<ContainerStats> containers;
  std::vector<VolumeStats> volumes;  // those on the node's disk: emptyDir, configMap
  std::optional<DiskUsage> files;    // what the node keeps for the pod itself (hosts, messages)

  // Containers, volumes and files together, which is what counts against limits of ephemeral-storage.
  DiskUsage ephemeral() const;
};

struct NodeStats {
  WallTime at;
  kernel::Meminfo meminfo;
  std::optional<kernel::CgroupMemory> memory;  // of the root cgroup
  std::optional<kernel::CgroupMemory> pods;    // of kubepods; its limit is what pods may have
  std::optional<kernel::FsCapacity> nodefs, imagefs, containerfs;
  std::optional<kernel::TaskCount> tasks;
};

// Which of them share a disk.
struct DiskLayout {
  bool dedicated_imagefs = false;  // images lie on another disk than the kubelet's root
  bool split_containerfs = false;  // and writable layers not with them, but on the kubelet's root's
  bool operator==(const DiskLayout&) const = default;
};
DiskLayout diskLayout(const NodeStats& node);

// a plus b; complete if both are, as old as the older one.
DiskUsage sum(const DiskUsage& a, const DiskUsage& b);

}  // namespace keelson::kubelet::stats
