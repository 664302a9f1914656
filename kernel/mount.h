// Mounts by descriptor: the new mount API (fsopen(2), open_tree(2), move_mount(2), mount_setattr(2)).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/fs.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace keelson::kernel {

// A detached mount until attach(); after that the kernel owns it. Dropping a detached one dissolves it.
// Any thread. The descriptor is an O_PATH one, good for openat2 and for SCM_RIGHTS.
class Mount {
 public:
  Mount() = default;
  explicit Mount(UniqueFd fd) : fd_(std::move(fd)) {}

  // fsopen + fsconfig + fsmount. `attributes` are MOUNT_ATTR_* bits. An option with an empty value is a flag.
  // The kernel's own message (read from the fs context) is in the error text.
  static Result<Mount> create(const std::string& filesystem,
                              const std::vector<std::pair<std::string, std::string>>& options,
                              uint64_t attributes = 0);
  // open_tree(OPEN_TREE_CLONE [| AT_RECURSIVE]) of what `fd` names (O_PATH descriptor of file or directory).
  static Result<Mount> clone(int fd, bool recursive);

  int get() const { return fd_.get(); }
  bool valid() const { return fd_.valid(); }
  UniqueFd release() { return std::move(fd_); }

  // mount_setattr(2) with AT_RECURSIVE when asked.
  Result<void> setAttributes(uint64_t set, uint64_t clear, bool recursive) const;
  // MS_PRIVATE, MS_SLAVE or MS_SHARED.
  Result<void> setPropagation(uint64_t propagation, bool recursive) const;
  // move_mount onto the object that `target` names (O_PATH descriptor; file onto file).
  Result<void> attach(int target) const;

 private:
  UniqueFd fd_;
};

// An overlay of `lower` (top first) with `upper` and `work` (invalid descriptors: read-only overlay),
// as a detached mount. Uses `lowerdir+` where the kernel has it (6.7), else one lowerdir string of
// descriptor names, else mount(2) in a thread's own mount namespace. kResourceExhausted when the layers do
// not fit the older way. Mounted "volatile": after a crash of the machine `upper` and `work` are to be thrown
// away, and each mount wants a `work` that no mount used before
// (https://docs.kernel.org/filesystems/overlayfs.html#volatile-mount).
Result<Mount> createOverlay(const std::vector<int>& lower, int upper, int work);

}  // namespace keelson::kernel
