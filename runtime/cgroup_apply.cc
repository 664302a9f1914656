#include "runtime/cgroup_apply.h"

#include <dirent.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace keelson::runtime {
namespace {

// https://docs.kernel.org/admin-guide/cgroup-v2.html
std::vector<CgroupValue> v2Values(const CgroupRequest& request) {
  std::vector<CgroupValue> values;
  values.push_back(
      {"cpu", "cpu.weight", std::to_string(cpuWeight(request.cpu_shares, request.container_weight))});
  if (request.cpu_quota_us) {
    values.push_back({"cpu", "cpu.max", fmt::format("{} {}", *request.cpu_quota_us, request.cpu_period_us)});
  }
  if (request.memory_limit) {
    values.push_back({"memory", "memory.max", std::to_string(request.memory_limit->value)});
    // swapBehavior NoSwap; absent in kernels without swap accounting.
    values.push_back({"memory", "memory.swap.max", "0", false});
  }
  if (request.oom_group) values.push_back({"memory", "memory.oom.group", "1", false});
  if (request.pids_limit) values.push_back({"pids", "pids.max", std::to_string(*request.pids_limit)});
  return values;
}

// https://docs.kernel.org/admin-guide/cgroup-v1/index.html; the period first, since the kernel checks the
// quota against it.
std::vector<CgroupValue> v1Values(const CgroupRequest& request) {
  std::vector<CgroupValue> values;
  values.push_back({"cpu", "cpu.shares", std::to_string(request.cpu_shares)});
  if (request.cpu_quota_us) {
    values.push_back({"cpu", "cpu.cfs_period_us", std::to_string(request.cpu_period_us)});
    values.push_back({"cpu", "cpu.cfs_quota_us", std::to_string(*request.cpu_quota_us)});
  }
  if (request.memory_limit) {
    values.push_back({"memory", "memory.limit_in_bytes", std::to_string(request.memory_limit->value)});
  }
  if (request.pids_limit) values.push_back({"pids", "pids.max", std::to_string(*request.pids_limit)});
  return values;
}

}  // namespace

int64_t cpuWeight(int64_t shares, bool container_weight) {
  constexpr int64_t kMin = 2;
  constexpr int64_t kMax = 262144;
  const int64_t bounded = std::clamp(shares, kMin, kMax);
  if (!container_weight) return 1 + (bounded - kMin) * 9999 / (kMax - kMin);
  if (bounded == kMin) return 1;
  if (bounded == kMax) return 10000;
  const double log = std::log2(static_cast<double>(bounded));
  const double exponent = (log * log + 125 * log) / 612.0 - 7.0 / 34.0;
  return std::clamp<int64_t>(static_cast<int64_t>(std::ceil(std::pow(10, exponent))), 1, 10000);
}

std::vector<CgroupValue> cgroupValues(const CgroupRequest& request, kernel::CgroupMode mode) {
  return mode == kernel::CgroupMode::kV2 ? v2Values(request) : v1Values(request);
}

Result<kernel::Cgroup> ensureCgroup(const kernel::CgroupHierarchies& hierarchies,
                                    const CgroupRequest& request) {
  auto cgroup = TRY(kernel::Cgroup::ensure(hierarchies, request.path));
  for (const auto& value : cgroupValues(request, hierarchies.mode)) {
    auto written = cgroup.write(value.controller, value.file, value.value);
    if (written) continue;
    const bool absent = written.error().code == Code::kUnsupported || written.error().code == Code::kNotFound;
    if (absent && !value.must) continue;
    return std::move(written).error();
  }
  return cgroup;
}

Result<void> emptyCgroup(const kernel::CgroupHierarchies& hierarchies, const std::string& path, Stop& stop) {
  const auto cgroup = kernel::Cgroup::open(hierarchies, path);
  if (!cgroup) return cgroup.error().code == Code::kNotFound ? Result<void>() : cgroup.error();
  ErrorList errors;
  if (cgroup->isPopulated()) {
    errors.add(cgroup->thaw());
    errors.add(cgroup->kill());
    errors.add(cgroup->waitEmpty(stop));
  }
  return errors.result();
}

Result<void> destroyCgroup(const kernel::CgroupHierarchies& hierarchies, const std::string& path,
                           Stop& stop) {
  TRY(emptyCgroup(hierarchies, path, stop));
  return kernel::Cgroup::destroy(hierarchies, path);
}

Result<std::vector<std::string>> listCgroups(const kernel::CgroupHierarchies& hierarchies,
                                             const std::string& path) {
  std::set<std::string> names;
  for (const auto& mount : hierarchies.mounts) {
    const DirFd top = TRY(DirFd::open(mount.path));
    const auto dir = top.openDir(path);
    if (!dir && dir.error().code == Code::kNotFound) continue;
    if (!dir) return dir.error();
    for (const auto& entry : TRY(dir->list())) {
      if (entry.type == DT_DIR) names.insert(entry.name);
    }
  }
  return std::vector<std::string>(names.begin(), names.end());
}

}  // namespace keelson::runtime
