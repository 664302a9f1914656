#include "runtime/images/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

namespace keelson::runtime::images {
namespace {

constexpr int kMaxTries = 32;  // openat2 gives EAGAIN when a rename elsewhere races with RESOLVE_*

UniqueFd open2(int directory, const char* path, int flags, mode_t mode, uint64_t resolve) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = resolve;
  for (int i = 0; i < kMaxTries; ++i) {
    const long fd = syscall(SYS_openat2, directory, path, &how, sizeof how);
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return {};
}

}  // namespace

UniqueFd openInRoot(int root, const std::string& path, int flags) {
  return open2(root, path.empty() ? "." : path.c_str(), flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

UniqueFd openChild(int directory, const std::string& name, int flags, mode_t mode) {
  return open2(directory, name.c_str(), flags | O_NOFOLLOW, mode,
               RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

bool isWhiteout(int directory, const std::string& name) {
  struct stat status {};
  return fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(status.st_mode) &&
         status.st_rdev == 0;
}

Result<void> makeWhiteout(int directory, const std::string& name) {
  if (mknodat(directory, name.c_str(), S_IFCHR, makedev(0, 0)) != 0)
    return sysError("make whiteout {}", name);
  return {};
}

Result<void> setOpaque(int directory) {
  if (fsetxattr(directory, "trusted.overlay.opaque", "y", 1, 0) != 0)
    return sysError("set trusted.overlay.opaque");
  return {};
}

}  // namespace keelson::runtime::images
