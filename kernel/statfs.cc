#include "kernel/statfs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <limits>

#include "base/unique_fd.h"

namespace keelson::kernel {
namespace {

Bytes bytesOf(uint64_t blocks, uint64_t size) {
  const auto product = static_cast<unsigned __int128>(blocks) * size;
  constexpr auto kMax = std::numeric_limits<int64_t>::max();
  return Bytes{product > static_cast<unsigned __int128>(kMax) ? kMax : static_cast<int64_t>(product)};
}

}  // namespace

Result<FsCapacity> readFsCapacity(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!fd) return sysError("open {}", path);
  struct stat info {};
  if (::fstat(fd.get(), &info) < 0) return sysError("stat {}", path);
  struct statvfs fs {};
  if (::fstatvfs(fd.get(), &fs) < 0) return sysError("statfs {}", path);
  FsCapacity out;
  out.device = info.st_dev;
  out.capacity = bytesOf(fs.f_blocks, fs.f_frsize);
  out.available = bytesOf(fs.f_bavail, fs.f_frsize);
  out.inodes = fs.f_files;
  out.inodes_free = fs.f_ffree;
  return out;
}

}  // namespace keelson::kernel
