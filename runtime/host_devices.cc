#include "runtime/host_devices.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <iterator>
#include <string_view>

namespace keelson::runtime {
namespace {

constexpr std::string_view kSkippedAtTop[] = {"pts",  "shm",  "fd",   "mqueue", "console", "ptmx",
                                              "null", "zero", "full", "random", "urandom", "tty"};

Result<void> collect(const DirFd& dir, const std::string& prefix, size_t depth,
                     std::vector<DevicePlan>& out) {
  for (const auto& entry : TRY(dir.list())) {
    const bool is_top = depth == 0;
    if (is_top &&
        std::find(std::begin(kSkippedAtTop), std::end(kSkippedAtTop), entry.name) != std::end(kSkippedAtTop))
      continue;
    if (entry.type == DT_DIR && depth < kMaxDeviceDepth) {
      const auto below = dir.openDir(entry.name);
      if (below) TRY(collect(*below, prefix + entry.name + "/", depth + 1, out));
      continue;
    }
    if (entry.type != DT_CHR && entry.type != DT_BLK) continue;
    struct stat info {};
    if (::fstatat(dir.get(), entry.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
      continue;  // unplugged just now
    if (out.size() == kMaxHostDevices) {
      return makeError(Code::kResourceExhausted, "the host has more than {} devices", kMaxHostDevices);
    }
    DevicePlan plan;
    plan.path = prefix + entry.name;
    plan.block = S_ISBLK(info.st_mode);
    plan.major = gnu_dev_major(info.st_rdev);
    plan.minor = gnu_dev_minor(info.st_rdev);
    plan.mode = info.st_mode & 0777;
    plan.uid = info.st_uid;
    plan.gid = info.st_gid;
    out.push_back(std::move(plan));
  }
  return {};
}

}  // namespace

Result<std::vector<DevicePlan>> hostDevices(const DirFd& dev) {
  std::vector<DevicePlan> devices;
  TRY(collect(dev, "/dev/", 0, devices));
  return devices;
}

}  // namespace keelson::runtime
