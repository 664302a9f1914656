// Steps: what the plan mounts and makes inside the root.
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "kernel/mount.h"
#include "runtime/init/step_list.h"
#include "runtime/init/target_path.h"

namespace keelson::runtime::init {
namespace {

using kernel::Mount;

// The pod's tmpfs or what lies at sub_path below it, as a detached mount.
Result<Mount> clonePodTmpfs(const MountPlan& plan) {
  if (plan.tmpfs_name.empty() || plan.tmpfs_name.find('/') != std::string::npos || plan.tmpfs_name[0] == '.')
    return makeError(Code::kInvalidArgument, "tmpfs name \"{}\"", plan.tmpfs_name);
  const std::string folder = std::string(kPodTmpfsFolder) + "/" + plan.tmpfs_name;
  UniqueFd source(open(folder.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!source) return sysError("tmpfs {}", plan.tmpfs_name);
  if (!plan.sub_path.empty()) {
    // Containers that have the volume may race with links: the kernel resolves inside of it, and refuses
    // (EXDEV) what would leave.
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    int fd = static_cast<int>(syscall(SYS_openat2, source.get(), plan.sub_path.c_str(), &how, sizeof how));
    if (fd < 0 && errno == ENOENT && plan.is_directory) {
      TRY(ensureTarget(source.get(), "/" + plan.sub_path, true));
      fd = static_cast<int>(syscall(SYS_openat2, source.get(), plan.sub_path.c_str(), &how, sizeof how));
    }
    if (fd < 0) return sysError("subPath {} of tmpfs {}", plan.sub_path, plan.tmpfs_name);
    source = UniqueFd(fd);
  }
  return Mount::clone(source.get(), false);
}

Result<Mount> takeSource(InitContext& context, const MountPlan& plan) {
  if (plan.source == MountSource::kPodTmpfs) return clonePodTmpfs(plan);
  const size_t index = plan.token - context.first_token;
  if (plan.source != MountSource::kDescriptor || index >= context.mounts.size() || context.mounts[index] < 0)
    return makeError(Code::kInternal, "no descriptor with token {}", plan.token);
  return Mount(UniqueFd(std::exchange(context.mounts[index], -1)));
}

Result<void> mountVolume(InitContext& context, const MountPlan& plan) {
  const Mount mount = TRY(takeVolume(context, plan));
  const UniqueFd target = TRY(ensureMountTarget(context.root, plan.target, plan.is_directory));
  return mount.attach(target.get());
}

Result<void> makeDevice(int root, const DevicePlan& plan) {
  const size_t slash = plan.path.rfind('/');
  if (slash == std::string::npos || slash + 1 == plan.path.size())
    return makeError(Code::kInvalidArgument, "not a path of a file");
  const std::string directory = plan.path.substr(0, slash), name = plan.path.substr(slash + 1);
  const UniqueFd parent =
      directory.empty() ? TRY(openInside(root, "/", O_PATH)) : TRY(ensureTarget(root, directory, true));
  const mode_t type = plan.block ? S_IFBLK : S_IFCHR;
  const dev_t number = makedev(plan.major, plan.minor);
  if (mknodat(parent.get(), name.c_str(), type | (plan.mode & 0777), number) < 0) {
    if (errno != EEXIST) return sysError("mknod");
    // One of every container's own nodes, or the host's in a replaced /dev: fine if it is that device.
    struct stat status {};
    if (fstatat(parent.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) return sysError("stat");
    if ((status.st_mode & S_IFMT) == type && status.st_rdev == number) return {};
    return makeError(Code::kFailedPrecondition, "another file is there");
  }
  if (fchownat(parent.get(), name.c_str(), plan.uid, plan.gid, AT_SYMLINK_NOFOLLOW) < 0)
    return sysError("chown");
  return {};
}

}  // namespace

Result<kernel::Mount> takeVolume(InitContext& context, const MountPlan& plan) {
  Mount mount = TRY(takeSource(context, plan));
  if (plan.read_only || plan.recursive_read_only)
    TRY(mount.setAttributes(MOUNT_ATTR_RDONLY, 0, plan.recursive_read_only));
  // A shared or slave mount already has its peers; only "private" is something to make sure of.
  if (plan.propagation == Propagation::kPrivate) TRY(mount.setPropagation(MS_PRIVATE, true));
  return mount;
}

Result<void> mountVolumes(InitContext& context) {
  for (const MountPlan& plan : context.container->mounts)
    if (&plan != context.dev_replacement) TRY_CTX(mountVolume(context, plan), "{}", plan.target);
  return {};
}

Result<void> makeDevices(InitContext& context) {
  for (const DevicePlan& plan : context.container->devices)
    TRY_CTX(makeDevice(context.root, plan), "{}", plan.path);
  return {};
}

Result<void> makeWorkingDirectory(InitContext& context) {
  const std::string& cwd = context.process->cwd;
  if (cwd.find_first_not_of('/') == std::string::npos) return {};
  auto made = ensureTarget(context.root, cwd, true);
  // A read-only root cannot get one; entering it then says what is missing.
  if (!made && made.error().sys != EROFS) return std::move(made).error();
  return {};
}

}  // namespace keelson::runtime::init
