// Files through directory descriptors.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace keelson {

// How openBeneath treats what it meets on the way (openat2(2)).
enum class Symlinks {
  kRefuse,     // RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS
  kInsideRoot  // RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS: links resolve as if the directory were "/"
};

struct DirEntry {
  std::string name;
  unsigned char type = 0;  // DT_* of readdir(3); DT_UNKNOWN is resolved by fstatat
};

// A directory by descriptor. All work inside a pod's or an image's tree goes through one of these
// with relative names; joined path strings never enter such a tree. Any thread; a handle: closing
// it changes nothing on disk.
class DirFd {
 public:
  DirFd() = default;
  explicit DirFd(UniqueFd fd) : fd_(std::move(fd)) {}

  // Opens an existing directory of the host by path. kNotFound, kInvalidArgument (not a directory).
  static Result<DirFd> open(const std::string& path);
  // As open, making missing directories (mkdir -p) with `mode`. May run twice.
  static Result<DirFd> ensure(const std::string& path, mode_t mode = 0755);

  int get() const { return fd_.get(); }
  bool valid() const { return fd_.valid(); }
  Result<DirFd> duplicate() const;

  // openat2 below this directory; `flags` gets O_CLOEXEC added.
  Result<UniqueFd> openBeneath(const std::string& path, int flags, mode_t mode = 0,
                               Symlinks symlinks = Symlinks::kRefuse) const;
  Result<DirFd> openDir(const std::string& path, Symlinks symlinks = Symlinks::kRefuse) const;
  // One level: mkdirat unless it exists, then opened.
  Result<DirFd> ensureDir(const std::string& name, mode_t mode = 0755) const;

  // The whole file, refused above `limit` bytes with kResourceExhausted.
  Result<std::string> readFile(const std::string& path, size_t limit) const;
  // Written beside as ".<name>.tmp-<random>", synced, renamed over `name`: readers see all or nothing.
  Result<void> writeFileAtomic(const std::string& name, std::string_view content, mode_t mode = 0600) const;
  // As writeFileAtomic, but not synced: the death of this process costs nothing, a power cut may leave the
  // old content, the new one, or an empty file. For what the next boot can do without.
  Result<void> replaceFile(const std::string& name, std::string_view content, mode_t mode = 0600) const;
  // Direct children but "." and "..", sorted by name; more than `limit` is kResourceExhausted.
  Result<std::vector<DirEntry>> list(size_t limit = 1'000'000) const;
  // Removes `name` and all below it without following links or crossing into another mount
  // (a mount point is left and reported). Fine if absent.
  Result<void> removeTree(const std::string& name) const;
  // unlinkat; fine if absent.
  Result<void> removeFile(const std::string& name) const;

 private:
  enum class Sync { kNone, kData };
  Result<void> writeBeside(const std::string& name, std::string_view content, mode_t mode, Sync sync) const;

  UniqueFd fd_;
};

// Whole-file helpers for host paths (not inside pod or image trees).
Result<std::string> readFile(const std::string& path, size_t limit);
Result<std::string> readFd(int fd, size_t limit);  // from the current offset to the end
Result<void> writeFileAtomic(const std::string& path, std::string_view content, mode_t mode = 0600);
// All bytes or an error; EINTR is retried.
Result<void> writeAll(int fd, std::string_view bytes);

// A sealed, read-only memfd holding `content` (F_SEAL_WRITE|GROW|SHRINK|SEAL). Its offset is 0.
Result<UniqueFd> sealedMemfd(const std::string& name, std::string_view content);

}  // namespace keelson
