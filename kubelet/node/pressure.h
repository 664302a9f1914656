// What the node runs short of.
#pragma once

#include <string>
#include <vector>

namespace keelson::kubelet::node {

// As eviction sees it: stays set for evictionPressureTransitionPeriod after the last observation.
struct NodePressure {
  bool memory = false, disk = false, pid = false;
  bool operator==(const NodePressure&) const = default;
};

// Why the node cannot run pods, one sentence each ("container runtime network not ready: ..."); none: ready.
struct Readiness {
  std::vector<std::string> problems;
  bool operator==(const Readiness&) const = default;
};

}  // namespace keelson::kubelet::node
