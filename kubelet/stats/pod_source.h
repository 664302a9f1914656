// Where the figures of a pod are to be read.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/pod.h"
#include "base/clock.h"
#include "base/ids.h"
#include "runtime/cgroup_layout.h"

namespace keelson::kubelet::stats {

struct SourcePaths {
  runtime::CgroupOptions cgroups;
  std::string root_dir = "/var/lib/kubelet";
  std::string pod_logs_dir = "/var/log/pods";
  std::string state_dir = "/var/lib/keelson";
};

// Paths only; a value.
struct PodSource {
  PodUid uid;
  std::string cgroup;  // relative to the hierarchies
  std::string files;   // the pod's folder but its volumes
  struct Container {
    std::string name;
    ContainerId id;
    bool running = false;
    std::optional<WallTime> started_at;
    std::string cgroup;
    std::string layer;  // the folder of the instance: upper layer, anonymous volumes
    std::string logs;
  };
  std::vector<Container> containers;  // the instances that pod.status names
  struct Volume {
    std::string name;
    std::string path;
  };
  std::vector<Volume> volumes;
};

// `pod` has its status filled in. Pure.
PodSource buildPodSource(const api::Pod& pod, const SourcePaths& paths);

// The instance in "keelson://<id>"; empty for anything else. Pure.
ContainerId containerIdOf(const std::string& text);

}  // namespace keelson::kubelet::stats
