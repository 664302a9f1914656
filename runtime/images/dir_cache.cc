#include "runtime/images/dir_cache.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/images/beneath.h"
#include "runtime/images/entry_path.h"

namespace keelson::runtime::images {
namespace {

constexpr size_t kMaxOpen = 64;
constexpr int kMaxLinks = 40;  // as the kernel's own path walk
constexpr size_t kShownBytes = 300;
constexpr size_t kMaxMadePathBytes = size_t{64} << 20;  // one long name can ask for thousands of directories
constexpr int kDirFlags = O_RDONLY | O_DIRECTORY;

std::string readLink(int directory, const std::string& name) {
  char target[PATH_MAX];
  const ssize_t size = readlinkat(directory, name.c_str(), target, sizeof target);
  return size < 0 ? std::string() : std::string(target, static_cast<size_t>(size));
}

}  // namespace

void DirCache::clear() {
  by_path_.clear();
  recent_.clear();
}

Result<int> DirCache::open(const std::string& path) {
  if (path.empty()) return root_;
  if (!recent_.empty() && recent_.front().path == path) return recent_.front().fd.get();
  if (const auto found = by_path_.find(path); found != by_path_.end()) {
    recent_.splice(recent_.begin(), recent_, found->second);
    return recent_.front().fd.get();
  }
  auto fd = TRY_CTX(openOrMake(path, kMaxLinks), "open directory {}", path.substr(0, kShownBytes));
  recent_.push_front({path, std::move(fd)});
  by_path_[path] = recent_.begin();
  if (recent_.size() > kMaxOpen) {
    by_path_.erase(recent_.back().path);
    recent_.pop_back();
  }
  return recent_.front().fd.get();
}

Result<UniqueFd> DirCache::openOrMake(const std::string& path, int links_left) {
  auto fd = openInRoot(root_, path, kDirFlags);
  if (fd) return fd;
  // ENOTDIR may be a whiteout on the way, which an entry below it replaces.
  if (errno != ENOENT && errno != ENOTDIR) return errnoError(errno, "open");
  if (path.empty()) return makeError(Code::kInternal, "the layer's root is gone");
  return make(path, links_left);
}

Result<UniqueFd> DirCache::make(const std::string& path, int links_left) {
  const auto at = splitPath(path);
  const auto parent = TRY(openOrMake(at.parent, links_left));
  made_path_bytes_ += path.size();
  if (made_.size() >= max_made_ || made_path_bytes_ > kMaxMadePathBytes)
    return makeError(Code::kResourceExhausted, "too many directories that the layer does not describe ({})",
                     made_.size());
  bool hides_lower = false;
  if (mkdirat(parent.get(), at.name.c_str(), 0755) != 0) {
    if (errno != EEXIST) return sysError("make");
    struct stat status {};
    if (fstatat(parent.get(), at.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return sysError("stat");
    if (S_ISLNK(status.st_mode)) {
      // A link to a directory that no entry made yet: make what it points to, inside the root.
      if (links_left == 0) return errnoError(ELOOP, "follow");
      const auto target = readLink(parent.get(), at.name);
      const auto resolved = cleanPath(target.starts_with('/') ? target : at.parent + "/" + target);
      if (resolved == path) return errnoError(ELOOP, "follow");
      return openOrMake(resolved, links_left - 1);
    }
    if (!isWhiteout(parent.get(), at.name)) return errnoError(ENOTDIR, "make");
    if (unlinkat(parent.get(), at.name.c_str(), 0) != 0) return sysError("replace whiteout");
    if (mkdirat(parent.get(), at.name.c_str(), 0755) != 0) return sysError("make");
    hides_lower = true;
  }
  auto fd = openChild(parent.get(), at.name, kDirFlags);
  if (!fd) return sysError("open");
  // mkdirat obeyed the umask and a setgid parent; neither is meant here.
  if (fchown(fd.get(), geteuid(), getegid()) != 0) return sysError("chown");
  if (fchmod(fd.get(), 0755) != 0) return sysError("chmod");
  if (hides_lower) TRY(setOpaque(fd.get()));
  made_.push_back(path);
  return fd;
}

}  // namespace keelson::runtime::images
