#include "runtime/copy_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <climits>

#include <algorithm>

namespace keelson::runtime {
namespace {

constexpr size_t kMaxAttributeNames = 65536;  // XATTR_LIST_MAX
constexpr size_t kMaxAttributeBytes = 65536;  // XATTR_SIZE_MAX
constexpr size_t kCopyChunk = size_t{4} << 20;

struct Budget {
  size_t entries = kMaxCopyEntries;
  uint64_t bytes = kMaxCopyBytes;
};

Error tooMuch(const char* what) { return makeError(Code::kResourceExhausted, "too {} to copy", what); }

// xattr(7) by descriptor. A destination that takes none (ENOTSUP) goes without.
Result<void> copyAttributes(int from, int to) {
  char names[kMaxAttributeNames];
  const ssize_t size = ::flistxattr(from, names, sizeof names);
  if (size < 0 && errno != ENOTSUP) return sysError("list attributes");
  if (size <= 0) return {};
  std::string value(kMaxAttributeBytes, '\0');
  for (ssize_t at = 0; at < size;
       at += static_cast<ssize_t>(std::char_traits<char>::length(names + at)) + 1) {
    const ssize_t got = ::fgetxattr(from, names + at, value.data(), value.size());
    if (got < 0) continue;
    if (::fsetxattr(to, names + at, value.data(), static_cast<size_t>(got), 0) != 0 && errno != ENOTSUP &&
        errno != EPERM) {
      return sysError("set attribute {}", names + at);
    }
  }
  return {};
}

// chown clears set-id bits, so the mode comes after it.
Result<void> copyMetadata(int from, int to, const struct stat& info) {
  if (::fchown(to, info.st_uid, info.st_gid) != 0) return sysError("chown");
  if (::fchmod(to, info.st_mode & 07777) != 0) return sysError("chmod");
  TRY(copyAttributes(from, to));
  const timespec times[2] = {info.st_atim, info.st_mtim};
  if (::futimens(to, times) != 0) return sysError("set times");
  return {};
}

Result<void> copyBytes(int from, int to, uint64_t& budget, Stop& stop) {
  for (;;) {
    TRY(stop.check("copy"));
    ssize_t got = ::copy_file_range(from, nullptr, to, nullptr, kCopyChunk, 0);
    if (got < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) {
      char buffer[65536];
      got = ::read(from, buffer, sizeof buffer);
      if (got > 0) TRY(writeAll(to, std::string_view(buffer, static_cast<size_t>(got))));
    }
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sysError("copy");
    if (got == 0) return {};
    if (static_cast<uint64_t>(got) > budget) return tooMuch("many bytes");
    budget -= static_cast<uint64_t>(got);
  }
}

Result<void> copyFile(const DirFd& from, const DirFd& to, const std::string& name, const struct stat& info,
                      Budget& budget, Stop& stop) {
  const UniqueFd in = TRY(from.openBeneath(name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW));
  const UniqueFd out = TRY(to.openBeneath(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  TRY(copyBytes(in.get(), out.get(), budget.bytes, stop));
  return copyMetadata(in.get(), out.get(), info);
}

Result<void> copyLink(const DirFd& from, const DirFd& to, const std::string& name, const struct stat& info) {
  char target[PATH_MAX];
  const ssize_t size = ::readlinkat(from.get(), name.c_str(), target, sizeof target - 1);
  if (size < 0) return sysError("read link");
  target[size] = '\0';
  if (::symlinkat(target, to.get(), name.c_str()) != 0) return sysError("make link");
  if (::fchownat(to.get(), name.c_str(), info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) != 0)
    return sysError("chown");
  return {};
}

Result<void> copyPipe(const DirFd& to, const std::string& name, const struct stat& info) {
  if (::mkfifoat(to.get(), name.c_str(), info.st_mode & 0777) != 0) return sysError("make fifo");
  if (::fchownat(to.get(), name.c_str(), info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) != 0)
    return sysError("chown");
  return {};
}

Result<void> copyLevel(const DirFd& from, const DirFd& to, size_t depth, Budget& budget, Stop& stop);

Result<void> copyEntry(const DirFd& from, const DirFd& to, const std::string& name, size_t depth,
                       Budget& budget, Stop& stop) {
  if (budget.entries-- == 0) return tooMuch("many files");
  struct stat info {};
  if (::fstatat(from.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return sysError("stat");
  if (S_ISREG(info.st_mode)) return copyFile(from, to, name, info, budget, stop);
  if (S_ISLNK(info.st_mode)) return copyLink(from, to, name, info);
  if (S_ISFIFO(info.st_mode)) return copyPipe(to, name, info);
  if (!S_ISDIR(info.st_mode)) return {};
  const DirFd below = TRY(from.openDir(name));
  const DirFd made = TRY(to.ensureDir(name, 0700));
  return copyLevel(below, made, depth + 1, budget, stop);
}

Result<void> copyLevel(const DirFd& from, const DirFd& to, size_t depth, Budget& budget, Stop& stop) {
  if (depth > kMaxCopyDepth) return tooMuch("deep");
  struct stat info {};
  if (::fstat(from.get(), &info) != 0) return sysError("stat");
  for (const auto& entry : TRY(from.list(kMaxCopyEntries))) {
    TRY_CTX(copyEntry(from, to, entry.name, depth, budget, stop), "{}", entry.name);
  }
  return copyMetadata(from.get(), to.get(), info);
}

}  // namespace

Result<void> copyTree(const DirFd& from, const DirFd& to, Stop& stop) {
  Budget budget;
  return copyLevel(from, to, 0, budget, stop);
}

}  // namespace keelson::runtime
