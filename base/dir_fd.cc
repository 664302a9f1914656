// Work below a directory descriptor.
#include <dirent.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "base/fs.h"
#include "base/ids.h"

namespace keelson {
namespace {

// openat2(2) answers EAGAIN when a rename or mount races with RESOLVE_BENEATH or _IN_ROOT.
constexpr int kOpenAttempts = 64;

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

// A direct child's name; anything else would leave the directory.
Result<void> checkName(const std::string& name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
      name.find('\0') != std::string::npos) {
    return makeError(Code::kInvalidArgument, "\"{}\" is not the name of a directory entry", name);
  }
  return {};
}

// `name` opened as a directory below `parent`, made with exactly `mode` (whatever the umask) if missing.
Result<UniqueFd> enterOrMake(int parent, const std::string& name, mode_t mode, int open_flags) {
  const bool made = ::mkdirat(parent, name.c_str(), mode) == 0;
  if (!made && errno != EEXIST) return sysError("mkdir {}", name);
  if (made) open_flags |= O_NOFOLLOW;
  UniqueFd fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | open_flags));
  if (!fd) return sysError("open directory {}", name);
  if (made && ::fchmod(fd.get(), mode) < 0) return sysError("chmod {}", name);
  return fd;
}

}  // namespace

Result<DirFd> DirFd::open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return sysError("open directory {}", path);
  return DirFd(std::move(fd));
}

Result<DirFd> DirFd::ensure(const std::string& path, mode_t mode) {
  UniqueFd current(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (current) return DirFd(std::move(current));
  if (errno != ENOENT || path.empty()) return sysError("open directory {}", path);
  current = UniqueFd(::open(path.front() == '/' ? "/" : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!current) return sysError("make directory {}", path);
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    begin = end + 1;
    if (name.empty()) continue;
    UniqueFd next(::openat(current.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!next && errno != ENOENT) return sysError("make directory {}: open {}", path, name);
    if (!next) next = TRY_CTX(enterOrMake(current.get(), name, mode, 0), "make directory {}", path);
    current = std::move(next);
  }
  return DirFd(std::move(current));
}

Result<DirFd> DirFd::duplicate() const {
  UniqueFd copy(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy) return sysError("duplicate a directory descriptor");
  return DirFd(std::move(copy));
}

Result<UniqueFd> DirFd::openBeneath(const std::string& path, int flags, mode_t mode,
                                    Symlinks symlinks) const {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  if ((flags & (O_CREAT | __O_TMPFILE)) != 0) how.mode = mode;
  how.resolve = symlinks == Symlinks::kRefuse ? RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS
                                              : RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 0; attempt < kOpenAttempts; ++attempt) {
    UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, fd_.get(), path.c_str(), &how, sizeof how)));
    if (fd) return fd;
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return sysError("open {}", path);
}

Result<DirFd> DirFd::openDir(const std::string& path, Symlinks symlinks) const {
  return DirFd(TRY(openBeneath(path, O_RDONLY | O_DIRECTORY, 0, symlinks)));
}

Result<DirFd> DirFd::ensureDir(const std::string& name, mode_t mode) const {
  TRY(checkName(name));
  return DirFd(TRY(enterOrMake(fd_.get(), name, mode, O_NOFOLLOW)));
}

Result<std::string> DirFd::readFile(const std::string& path, size_t limit) const {
  // O_NONBLOCK: a FIFO put there by a container must not hang the opening.
  const UniqueFd fd = TRY(openBeneath(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat info {};
  if (::fstat(fd.get(), &info) < 0) return sysError("stat {}", path);
  if (!S_ISREG(info.st_mode)) return makeError(Code::kInvalidArgument, "{} is not a regular file", path);
  return TRY_CTX(readFd(fd.get(), limit), "read {}", path);
}

Result<void> DirFd::writeFileAtomic(const std::string& name, std::string_view content, mode_t mode) const {
  return writeBeside(name, content, mode, Sync::kData);
}

Result<void> DirFd::replaceFile(const std::string& name, std::string_view content, mode_t mode) const {
  return writeBeside(name, content, mode, Sync::kNone);
}

Result<void> DirFd::writeBeside(const std::string& name, std::string_view content, mode_t mode,
                                Sync sync) const {
  TRY(checkName(name));
  const std::string beside = "." + name + ".tmp-" + randomHex(4);
  const auto put = [&]() -> Result<void> {
    const UniqueFd fd = TRY(openBeneath(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
    if (::fchmod(fd.get(), mode) < 0) return sysError("chmod {}", beside);
    TRY_CTX(writeAll(fd.get(), content), "write {}", beside);
    // The directory itself is not synced: after a power cut the old or the new file is there, and
    // either is whole.
    if (sync == Sync::kData && ::fdatasync(fd.get()) < 0) return sysError("sync {}", beside);
    if (::renameat(fd_.get(), beside.c_str(), fd_.get(), name.c_str()) < 0) {
      return sysError("rename {} to {}", beside, name);
    }
    return {};
  };
  Result<void> done = put();
  if (!done) ::unlinkat(fd_.get(), beside.c_str(), 0);
  return done;
}

Result<std::vector<DirEntry>> DirFd::list(size_t limit) const {
  // A fresh open file description, so that two listings do not share a position.
  UniqueFd fd(::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return sysError("open directory for listing");
  const std::unique_ptr<DIR, CloseDir> dir(::fdopendir(fd.get()));
  if (!dir) return sysError("list directory");
  fd.release();
  std::vector<DirEntry> entries;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) {
      if (errno != 0) return sysError("list directory");
      break;
    }
    DirEntry child{entry->d_name, entry->d_type};
    if (child.name == "." || child.name == "..") continue;
    if (entries.size() == limit) {
      return makeError(Code::kResourceExhausted, "directory holds more than {} entries", limit);
    }
    if (child.type == DT_UNKNOWN) {
      struct stat info {};
      if (::fstatat(fd_.get(), child.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == ENOENT) continue;
        return sysError("stat {}", child.name);
      }
      child.type = static_cast<unsigned char>(IFTODT(info.st_mode));
    }
    entries.push_back(std::move(child));
  }
  std::sort(entries.begin(), entries.end(),
            [](const DirEntry& a, const DirEntry& b) { return a.name < b.name; });
  return entries;
}

Result<void> DirFd::removeFile(const std::string& name) const {
  TRY(checkName(name));
  if (::unlinkat(fd_.get(), name.c_str(), 0) < 0 && errno != ENOENT) return sysError("remove {}", name);
  return {};
}

}  // namespace keelson
