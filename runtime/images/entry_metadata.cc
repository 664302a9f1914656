#include "runtime/images/entry_metadata.h"

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <limits>

namespace keelson::runtime::images {
namespace {

constexpr int64_t kMaxId = std::numeric_limits<uint32_t>::max() - 1;  // (uid_t)-1 means "unchanged"

}  // namespace

Result<Owner> ownerOf(const TarEntry& entry) {
  if (entry.uid < 0 || entry.uid > kMaxId || entry.gid < 0 || entry.gid > kMaxId)
    return makeError(Code::kDataLoss, "owner {}:{} cannot exist", entry.uid, entry.gid);
  return Owner{static_cast<uid_t>(entry.uid), static_cast<gid_t>(entry.gid)};
}

// "trusted." steers overlayfs itself (redirect, metacopy: CVE-2023-0386) and is never taken from
// outside; "user.overlay." does so with the userxattr option; the other classes belong to the host.
bool isKeptXattr(const std::string& name) {
  if (name == "security.capability") return true;
  return name.starts_with("user.") && !name.starts_with("user.overlay.");
}

Result<void> describe(int fd, const TarEntry& entry) {
  const auto owner = TRY(ownerOf(entry));
  // Looked at first: each change is a journal transaction, and most files are right as they were made.
  struct stat status {};
  if (fstat(fd, &status) != 0) return sysError("stat");
  // Owner before the rest, because chown(2) clears setuid bits and file capabilities.
  if ((status.st_uid != owner.uid || status.st_gid != owner.gid) && fchown(fd, owner.uid, owner.gid) != 0)
    return sysError("chown");
  for (const auto& [name, value] : entry.xattrs) {
    if (!isKeptXattr(name)) continue;
    if (fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) == 0) continue;
    // Not every file system has user.*; a lost capability would be a program that fails later.
    if (errno == EOPNOTSUPP && name != "security.capability") continue;
    return sysError("set attribute {}", name);
  }
  const bool mode_is_right = (status.st_mode & 07777) == entry.mode && (entry.mode & ~0777u) == 0;
  if (!mode_is_right && fchmod(fd, entry.mode) != 0) return sysError("chmod");
  return {};
}

Result<void> setTimes(int fd, const timespec& mtime) {
  const timespec times[2] = {mtime, mtime};
  if (futimens(fd, times) != 0) return sysError("set times");
  return {};
}

}  // namespace keelson::runtime::images
