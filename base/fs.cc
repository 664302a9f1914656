// Descriptors and whole files of the host.
#include "base/fs.h"

#include <algorithm>
#include <cerrno>

namespace keelson {
namespace {

constexpr size_t kFirstChunk = size_t{16} << 10;
constexpr size_t kLargestChunk = size_t{1} << 20;

}  // namespace

Result<std::string> readFd(int fd, size_t limit) {
  std::string content;
  size_t have = 0;
  while (true) {
    // One byte more than the limit is asked for, to tell "full" from "over".
    const size_t room = std::min(std::clamp(have, kFirstChunk, kLargestChunk), limit - have + 1);
    content.resize(have + room);
    const ssize_t got = ::read(fd, content.data() + have, room);
    if (got < 0) {
      if (errno == EINTR) continue;
      return sysError("read");
    }
    if (got == 0) break;
    have += static_cast<size_t>(got);
    if (have > limit) return makeError(Code::kResourceExhausted, "larger than the limit of {} bytes", limit);
  }
  content.resize(have);
  return content;
}

Result<void> writeAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0) {
      if (errno == EINTR) continue;
      return sysError("write");
    }
    bytes.remove_prefix(static_cast<size_t>(put));
  }
  return {};
}

Result<std::string> readFile(const std::string& path, size_t limit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) return sysError("open {}", path);
  return TRY_CTX(readFd(fd.get(), limit), "read {}", path);
}

Result<void> writeFileAtomic(const std::string& path, std::string_view content, mode_t mode) {
  const size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  const DirFd dir = TRY_CTX(DirFd::open(parent), "write {}", path);
  TRY_CTX(dir.writeFileAtomic(name, content, mode), "write {}", path);
  return {};
}

}  // namespace keelson
