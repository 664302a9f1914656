// The text of /proc/PID/mountinfo as values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace keelson::kernel {

// One line of proc_pid_mountinfo(5), octal escapes resolved. A plain value, any thread.
struct MountinfoEntry {
  int id = 0;
  int parent = 0;
  std::string root;         // which part of the file system is mounted
  std::string mount_point;  // relative to the reader's root
  std::string options;      // of this mount: "rw,nosuid"
  std::string propagation;  // the optional fields: "shared:1 master:2"; empty: private
  std::string filesystem;   // "ext4", "cgroup2"
  std::string source;
  std::string super_options;  // of the file system: "rw,memory"
};

inline constexpr size_t kMountinfoLimit = size_t{64} << 20;

// kDataLoss names the line that is not in the format.
Result<std::vector<MountinfoEntry>> parseMountinfo(std::string_view text);
// The mounts that the calling process sees.
Result<std::vector<MountinfoEntry>> ownMountinfo();

}  // namespace keelson::kernel
