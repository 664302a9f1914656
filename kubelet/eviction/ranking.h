// Which pod goes first.
#pragma once

#include <vector>

#include "api/pod.h"
#include "kubelet/eviction/thresholds.h"
#include "kubelet/stats/stats.h"

namespace keelson::kubelet::eviction {

// A pod that may be evicted, and what it uses; without figures it goes before all others.
struct Candidate {
  api::PodPtr pod;
  std::optional<stats::PodStats> stats;
};

// Static and mirror pods, and priorities from 2000000000 up: never evicted and always admitted. Pure, as
// everything here.
bool isCritical(const api::Pod& pod);

// What of a pod lies on a disk.
struct DiskParts {
  bool rootfs = false;
  bool logs = false;
  bool volumes = false;
  bool operator==(const DiskParts&) const = default;
};
// What is counted for a disk signal: what lies on that very disk.
DiskParts diskParts(Signal signal, const stats::DiskLayout& layout);

// Bytes or inodes (as the signal asks) of these parts.
int64_t diskUsage(const stats::PodStats& stats, const DiskParts& parts, bool inodes);

// The order in which they would be evicted; equal ones keep theirs.
//   memory, disk: using more than requested, then the lower priority, then the most above the request
//   pids: the lower priority, then the most processes
std::vector<Candidate> rankForEviction(std::vector<Candidate> candidates, Signal signal,
                                       const stats::DiskLayout& layout);

}  // namespace keelson::kubelet::eviction
