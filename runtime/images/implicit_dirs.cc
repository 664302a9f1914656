#include "runtime/images/implicit_dirs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/images/beneath.h"
#include "runtime/images/entry_metadata.h"

namespace keelson::runtime::images {
namespace {

constexpr size_t kMaxXattrListBytes = 64 << 10;   // XATTR_LIST_MAX
constexpr size_t kMaxXattrValueBytes = 64 << 10;  // XATTR_SIZE_MAX
constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

Result<void> copyXattrs(int from, int to) {
  std::vector<char> names(kMaxXattrListBytes);
  const ssize_t size = flistxattr(from, names.data(), names.size());
  if (size < 0) return errno == EOPNOTSUPP ? Result<void>() : Result<void>(sysError("list attributes"));
  std::vector<char> value(kMaxXattrValueBytes);
  for (const char* name = names.data(); name < names.data() + size; name += std::strlen(name) + 1) {
    if (!isKeptXattr(name)) continue;
    const ssize_t bytes = fgetxattr(from, name, value.data(), value.size());
    if (bytes < 0 || fsetxattr(to, name, value.data(), static_cast<size_t>(bytes), 0) != 0)
      return sysError("copy attribute {}", name);
  }
  return {};
}

Result<void> copyDirectory(int from, int to) {
  struct stat status {};
  if (fstat(from, &status) != 0) return sysError("stat");
  if (fchown(to, status.st_uid, status.st_gid) != 0) return sysError("chown");
  TRY(copyXattrs(from, to));
  if (fchmod(to, status.st_mode & 07777) != 0) return sysError("chmod");
  return setTimes(to, status.st_mtim);
}

}  // namespace

Result<void> copyImplicitDirs(const DirFd& layer, const std::vector<std::string>& implicit,
                              const std::vector<DirFd>& lower) {
  for (const auto& path : implicit) {
    const auto here = openInRoot(layer.get(), path, kFlags);
    if (!here) continue;  // a later entry of the layer replaced it
    for (const auto& below : lower) {
      const auto there = openInRoot(below.get(), path, kFlags);
      if (there) {
        TRY_CTX(copyDirectory(there.get(), here.get()), "take {} from the layer below", path.substr(0, 300));
        break;
      }
      // Something else has the name there (a file, a link, a whiteout): what lies deeper is hidden.
      if (errno != ENOENT) break;
    }
  }
  return {};
}

}  // namespace keelson::runtime::images
