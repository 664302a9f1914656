#include "runtime/shim/own_root.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/mount.h"

namespace keelson::runtime::shim {

Result<void> enterEmptyRoot(uint64_t attributes) {
  if (unshare(CLONE_NEWNS) < 0) return sysError("unshare mount namespace");
  // Before anything is unmounted: it must not propagate to the host.
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) return sysError("make mounts private");
  const kernel::Mount root =
      TRY(kernel::Mount::create("tmpfs", {{"mode", "0700"}, {"size", "1m"}}, attributes));
  const UniqueFd top(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!top) return sysError("open /");
  TRY(root.attach(top.get()));
  if (fchdir(root.get()) < 0) return sysError("enter the empty root");
  // The host's tree lands on top of the new root and is unmounted there: pivot_root(2), NOTES.
  if (syscall(SYS_pivot_root, ".", ".") < 0) return sysError("pivot_root");
  if (umount2(".", MNT_DETACH) < 0) return sysError("unmount the host's tree");
  if (chdir("/") < 0) return sysError("chdir /");
  return {};
}

}  // namespace keelson::runtime::shim
