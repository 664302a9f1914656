#include "runtime/init/target_path.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include <array>
#include <optional>
#include <string_view>

namespace keelson::runtime::init {
namespace {

constexpr int kMaxLinks = 40;    // as the kernel's own MAXSYMLINKS
constexpr int kMaxRetries = 16;  // EAGAIN: a rename raced with ".."

// The path without its first component, which goes to `name`.
std::string_view splitFirst(std::string_view path, std::string_view& name) {
  while (path.starts_with('/')) path.remove_prefix(1);
  const size_t end = path.find('/');
  name = path.substr(0, end);
  return end == std::string_view::npos ? std::string_view{} : path.substr(end);
}

bool isLast(std::string_view rest) { return rest.find_first_not_of('/') == std::string_view::npos; }

Result<void> makeEntry(int parent, const std::string& name, bool directory) {
  if (directory) {
    if (mkdirat(parent, name.c_str(), 0755) < 0) return sysError("mkdir {}", name);
    return {};
  }
  const UniqueFd file(
      openat(parent, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file) return sysError("create {}", name);
  return {};
}

// Makes what is missing of `path`. When a dangling link is in the way: the path with the link's text in its
// place.
Result<std::optional<std::string>> makeMissing(int root, const std::string& path, bool is_directory) {
  std::string prefix;
  UniqueFd parent = TRY(openInside(root, "/", O_PATH | O_DIRECTORY));
  std::string_view rest = path;
  while (!isLast(rest)) {
    std::string_view part;
    rest = splitFirst(rest, part);
    const std::string name(part);
    const std::string next = prefix + "/" + name;
    auto found = openInside(root, next, O_PATH);
    if (!found && found.error().sys == ENOENT) {
      auto made = makeEntry(parent.get(), name, !isLast(rest) || is_directory);
      if (!made && made.error().sys == EEXIST) {
        std::array<char, PATH_MAX> link;
        const ssize_t length = readlinkat(parent.get(), name.c_str(), link.data(), link.size());
        if (length < 0) return made.error();
        std::string target(link.data(), static_cast<size_t>(length));
        if (!target.starts_with('/')) target = prefix + "/" + target;
        return std::optional(target + std::string(rest));
      }
      if (!made) return made.error();
      found = openInside(root, next, O_PATH);
    }
    parent = TRY(std::move(found));
    prefix = next;
  }
  return std::optional<std::string>();
}

}  // namespace

Result<UniqueFd> openInside(int root, const std::string& path, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  for (int i = 0; i < kMaxRetries; ++i) {
    const long fd = syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return sysError("open {}", path);
}

Result<UniqueFd> ensureTarget(int root, const std::string& path, bool is_directory) {
  if (!path.starts_with('/') || isLast(path) || path.size() >= PATH_MAX)
    return makeError(Code::kInvalidArgument, "mount target \"{}\": not an absolute path below /", path);
  std::string current = path;
  for (int links = 0; links <= kMaxLinks; ++links) {
    auto found = openInside(root, current, O_PATH);
    if (!found && found.error().sys != ENOENT) return found;
    if (!found) {
      auto redirected = TRY(makeMissing(root, current, is_directory));
      if (redirected) {
        current = std::move(*redirected);
        continue;
      }
      found = openInside(root, current, O_PATH);
    }
    UniqueFd target = TRY(std::move(found));
    struct stat status {};
    if (fstat(target.get(), &status) < 0) return sysError("stat {}", path);
    if (S_ISDIR(status.st_mode) != is_directory)
      return makeError(Code::kInvalidArgument, "mount target {} is {}a directory, its source is {}one", path,
                       is_directory ? "not " : "", is_directory ? "" : "not ");
    return target;
  }
  return errnoError(ELOOP, path);
}

Result<UniqueFd> ensureMountTarget(int root, const std::string& path, bool is_directory) {
  UniqueFd target = TRY(ensureTarget(root, path, is_directory));
  struct statfs file_system {};
  if (fstatfs(target.get(), &file_system) < 0) return sysError("stat {}", path);
  // A volume there would forge what the kernel says and takes, as /proc/self/attr (CVE-2019-16884).
  if (file_system.f_type == PROC_SUPER_MAGIC)
    return makeError(Code::kInvalidArgument, "mount target {} is inside a proc file system", path);
  return target;
}

Result<UniqueFd> ensurePlainDirectory(int directory, const char* name, mode_t mode) {
  if (mkdirat(directory, name, mode) < 0 && errno != EEXIST) return sysError("mkdir {}", name);
  UniqueFd fd(openat(directory, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return sysError("open directory {}", name);
  return fd;
}

}  // namespace keelson::runtime::init
