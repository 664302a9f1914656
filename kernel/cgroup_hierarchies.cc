#include <algorithm>
#include <array>

#include "kernel/cgroup.h"
#include "kernel/mountinfo.h"

namespace keelson::kernel {
namespace {

constexpr std::array<std::string_view, 9> kV1Controllers = {"cpu",     "cpuacct", "cpuset", "memory", "pids",
                                                            "freezer", "devices", "blkio",  "hugetlb"};

// Of "rw,cpu,cpuacct": those that Keelson uses. A named hierarchy ("name=systemd") gives none.
std::vector<std::string> controllersOf(std::string_view super_options) {
  std::vector<std::string> found;
  while (!super_options.empty()) {
    const std::string_view word = super_options.substr(0, super_options.find(','));
    super_options.remove_prefix(std::min(word.size() + 1, super_options.size()));
    if (std::find(kV1Controllers.begin(), kV1Controllers.end(), word) != kV1Controllers.end()) {
      found.emplace_back(word);
    }
  }
  return found;
}

bool isKnown(const std::vector<CgroupMount>& mounts, bool unified,
             const std::vector<std::string>& controllers) {
  return std::any_of(mounts.begin(), mounts.end(), [&](const CgroupMount& mount) {
    return mount.unified == unified && mount.controllers == controllers;
  });
}

}  // namespace

Result<CgroupHierarchies> CgroupHierarchies::fromMountinfo(std::string_view mountinfo) {
  CgroupHierarchies found;
  bool has_v1 = false;
  bool has_v2 = false;
  const std::vector<MountinfoEntry> entries = TRY(parseMountinfo(mountinfo));
  for (const MountinfoEntry& entry : entries) {
    const bool unified = entry.filesystem == "cgroup2";
    if (!unified && entry.filesystem != "cgroup") continue;
    std::vector<std::string> controllers;
    if (!unified) {
      controllers = controllersOf(entry.super_options);
      if (controllers.empty()) continue;
    }
    // The first mount of a hierarchy is the host's; later ones are binds into chroots and the like.
    if (isKnown(found.mounts, unified, controllers)) continue;
    (unified ? has_v2 : has_v1) = true;
    found.mounts.push_back({std::move(controllers), entry.mount_point, unified});
  }
  if (!has_v1 && !has_v2) return makeError(Code::kUnsupported, "no cgroup file system is mounted");
  found.mode = !has_v1 ? CgroupMode::kV2 : has_v2 ? CgroupMode::kHybrid : CgroupMode::kV1;
  return found;
}

Result<CgroupHierarchies> CgroupHierarchies::ofThisHost() {
  const std::string text = TRY(readFile("/proc/self/mountinfo", kMountinfoLimit));
  return fromMountinfo(text);
}

}  // namespace keelson::kernel
