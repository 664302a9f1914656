// A CgroupRequest as the control files that carry it.
#pragma once

#include <string>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "kernel/cgroup.h"
#include "runtime/cgroup_layout.h"

namespace keelson::runtime {

// One write into one control file.
struct CgroupValue {
  std::string controller;  // as Cgroup::write takes it
  std::string file;
  std::string value;
  bool must = true;  // false: a host without this file is fine
  bool operator==(const CgroupValue&) const = default;
};

// cpu.weight of a share: kubelet's linear map for pods and classes, the OCI runtimes' curve for
// containers (opencontainers/cgroups 0.0.4 and later). RES-03.
int64_t cpuWeight(int64_t shares, bool container_weight);

// What to write for `request`, in order; limits that are absent are left as the kernel made them
// (unlimited). `mode` kHybrid and kV1 use the v1 files. Pure.
std::vector<CgroupValue> cgroupValues(const CgroupRequest& request, kernel::CgroupMode mode);

// The same on the cgroup: ensured, values written. An error leaves a new cgroup behind for the caller's
// Undo. May run twice.
Result<kernel::Cgroup> ensureCgroup(const kernel::CgroupHierarchies& hierarchies,
                                    const CgroupRequest& request);

// SIGKILL to all in `path` and below, thawed if frozen, until it is proven empty. Fine if absent.
Result<void> emptyCgroup(const kernel::CgroupHierarchies& hierarchies, const std::string& path, Stop& stop);
// emptyCgroup(), then removed with all below.
Result<void> destroyCgroup(const kernel::CgroupHierarchies& hierarchies, const std::string& path, Stop& stop);
// Names of the cgroups directly below `path`, in any hierarchy, sorted. None if absent.
Result<std::vector<std::string>> listCgroups(const kernel::CgroupHierarchies& hierarchies,
                                             const std::string& path);

}  // namespace keelson::runtime
