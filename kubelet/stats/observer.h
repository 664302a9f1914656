// Reads what pods and the node use.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/executor.h"
#include "base/result.h"
#include "kernel/cgroup.h"
#include "kubelet/stats/pod_source.h"
#include "kubelet/stats/stats.h"

namespace keelson::kubelet::stats {

enum class Detail {
  kCgroups,  // a few small files of the kernel for each container
  kDisk,     // and its trees on disk, walked or remembered
};

// Reads on demand; keeps nothing running. Any thread; blocks, so call it from a lane.
class Observer {
 public:
  virtual ~Observer() = default;
  // A part that cannot be read is absent; an error when not even the node's memory is known.
  virtual Result<NodeStats> node(Stop& stop) = 0;
  // What is gone or cannot be read is absent.
  virtual PodStats pod(const PodSource& source, Detail detail, Stop& stop) = 0;
};

// The real one: cgroups of v2, hybrid or v1, statvfs(3), walks through a TreeUsageCache.
class HostObserver final : public Observer {
 public:
  struct Options {
    kernel::CgroupHierarchies hierarchies;
    std::string pods_cgroup;  // "kubepods"
    std::string nodefs;       // the kubelet's root directory
    std::string imagefs;      // the image store
    std::string containerfs;  // writable layers
  };
  HostObserver(Options options, const Clock& clock);

  Result<NodeStats> node(Stop& stop) override;
  PodStats pod(const PodSource& source, Detail detail, Stop& stop) override;

 private:
  CgroupUsage readCgroup(const std::string& path) const;
  std::optional<DiskUsage> measure(const std::string& path, TreeUsageCache::Content content, Stop& stop);

  const Options options_;
  const Clock& clock_;
  TreeUsageCache trees_;
};

}  // namespace keelson::kubelet::stats
