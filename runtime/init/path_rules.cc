// Steps: what the container must not write or see, and pivot_root.
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/mount.h"
#include "runtime/init/step_list.h"
#include "runtime/init/target_path.h"

namespace keelson::runtime::init {
namespace {

using kernel::Mount;

Result<void> protectPath(int root, const std::string& path) {
  auto found = openInside(root, path, O_PATH);
  if (!found && found.error().sys == ENOENT) return {};
  const UniqueFd target = TRY(std::move(found));
  const Mount mount = TRY(Mount::clone(target.get(), true));
  TRY(mount.setAttributes(MOUNT_ATTR_RDONLY, 0, true));
  return mount.attach(target.get());
}

// Covers the path with the pod's empty directory or null device: ours, so nothing the image brings can stand
// for them.
Result<void> maskPath(int root, const std::string& path) {
  auto found = openInside(root, path, O_PATH);
  if (!found && (found.error().sys == ENOENT || found.error().sys == ENOTDIR)) return {};
  const UniqueFd target = TRY(std::move(found));
  struct stat status {};
  if (fstat(target.get(), &status) < 0) return sysError("stat");
  const char* cover = S_ISDIR(status.st_mode) ? kEmptyDirectory : kNullDevice;
  const UniqueFd source(open(cover, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!source) return sysError("open {}", cover);
  const Mount mount = TRY(Mount::clone(source.get(), false));
  // The null device stays writable, as when a runtime binds /dev/null: a writer meets no error.
  const uint64_t read_only = S_ISDIR(status.st_mode) ? MOUNT_ATTR_RDONLY : 0;
  TRY(mount.setAttributes(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | read_only, 0, false));
  return mount.attach(target.get());
}

}  // namespace

Result<void> protectPaths(InitContext& context) {
  if (context.container->privileged) return {};
  for (const std::string& path : context.container->read_only_paths)
    TRY_CTX(protectPath(context.root, path), "{}", path);
  return {};
}

Result<void> maskPaths(InitContext& context) {
  if (context.container->privileged) return {};
  for (const std::string& path : context.container->masked_paths)
    TRY_CTX(maskPath(context.root, path), "{}", path);
  return {};
}

Result<void> pivotRoot(InitContext& context) {
  if (fchdir(context.root) < 0) return sysError("enter root");
  // The old root lands on top of the new one and is unmounted there: pivot_root(2), NOTES.
  if (syscall(SYS_pivot_root, ".", ".") < 0) return sysError("pivot");
  if (umount2(".", MNT_DETACH) < 0) return sysError("unmount the old root");
  if (chdir("/") < 0) return sysError("chdir /");
  return {};
}

Result<void> protectRoot(InitContext& context) {
  if (!context.container->read_only_root) return {};
  const Mount root{UniqueFd(std::exchange(context.root, -1))};
  return root.setAttributes(MOUNT_ATTR_RDONLY, 0, false);
}

}  // namespace keelson::runtime::init
