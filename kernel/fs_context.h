// One file system being configured: fsopen(2), fsconfig(2), fsmount(2).
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "kernel/mount.h"

namespace keelson::kernel {

// Owned by the one function that makes a mount; any thread. The errors of every step carry the
// kernel's own message, which it leaves in the context.
class FsContext {
 public:
  static Result<FsContext> open(const std::string& filesystem);

  // At most 255 bytes of value: the kernel refuses more.
  Result<void> setString(const char* key, const std::string& value);
  Result<void> setFlag(const char* key);
  Result<void> setFd(const char* key, int value);
  // Makes the file system and one detached mount of it.
  Result<Mount> mount(uint64_t attributes);

 private:
  FsContext(std::string filesystem, UniqueFd fd) : filesystem_(std::move(filesystem)), fd_(std::move(fd)) {}
  Error failure(int err, const std::string& what);

  std::string filesystem_;
  UniqueFd fd_;
};

inline constexpr size_t kMaxFsconfigString = 255;

}  // namespace keelson::kernel
