// How full a file system is.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/units.h"

namespace keelson::kernel {

// One file system, as an unprivileged writer sees it (statvfs(3): f_bavail, f_ffree).
struct FsCapacity {
  dev_t device = 0;  // equal for two paths of one file system
  Bytes capacity;
  Bytes available;      // without the blocks kept back for root
  uint64_t inodes = 0;  // 0: it does not count them (btrfs)
  uint64_t inodes_free = 0;
};

// Of the file system that holds `path`. kNotFound.
Result<FsCapacity> readFsCapacity(const std::string& path);

}  // namespace keelson::kernel
