// Steps: the root and the file systems that every container has.
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "kernel/mount.h"
#include "runtime/init/step_list.h"
#include "runtime/init/target_path.h"

namespace keelson::runtime::init {
namespace {

using kernel::Mount;

constexpr uint64_t kNoSuidExecDev = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV;
constexpr mode_t kDeviceMode = 0666;

struct DeviceNode {
  const char* name;
  unsigned minor;
  unsigned major = 1;
};
// https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#default-devices
constexpr DeviceNode kDeviceNodes[] = {{"null", 3},   {"zero", 5},    {"full", 7},
                                       {"random", 8}, {"urandom", 9}, {"tty", 0, 5}};

struct DeviceLink {
  const char* name;
  const char* target;
};
constexpr DeviceLink kDeviceLinks[] = {{"fd", "/proc/self/fd"},
                                       {"stdin", "/proc/self/fd/0"},
                                       {"stdout", "/proc/self/fd/1"},
                                       {"stderr", "/proc/self/fd/2"},
                                       {"ptmx", "pts/ptmx"}};

constexpr char kHostDevTarget[] = "/dev";

// The mount that replaces the container's own /dev: the host's, for privileged containers and for a hostPath
// there.
const MountPlan* devReplacement(const InitContext& context) {
  const auto& mounts = context.container->mounts;
  const auto found = std::find_if(mounts.begin(), mounts.end(), [](const MountPlan& mount) {
    return mount.target == kHostDevTarget && mount.source == MountSource::kDescriptor;
  });
  return found == mounts.end() ? nullptr : &*found;
}

// Nothing goes into a replaced /dev: it may be the host's, and its mounts may propagate there.
Result<void> attachInDev(const InitContext& context, const char* name, const Mount& mount) {
  if (context.dev_replacement != nullptr) return {};
  const UniqueFd target = TRY(ensurePlainDirectory(context.dev, name));
  return mount.attach(target.get());
}

Result<void> populateDev(int dev) {
  for (const DeviceNode& node : kDeviceNodes)
    if (mknodat(dev, node.name, S_IFCHR | kDeviceMode, makedev(node.major, node.minor)) < 0)
      return sysError("mknod {}", node.name);
  for (const DeviceLink& link : kDeviceLinks)
    if (symlinkat(link.target, dev, link.name) < 0) return sysError("symlink {}", link.name);
  return {};
}

std::vector<std::pair<std::string, std::string>> flagsOf(const std::string& controllers) {
  std::vector<std::pair<std::string, std::string>> options;
  for (size_t at = 0; at < controllers.size();) {
    const size_t end = std::min(controllers.find(',', at), controllers.size());
    options.emplace_back(controllers.substr(at, end - at), "");
    at = end + 1;
  }
  return options;
}

}  // namespace

Result<void> attachRoot(InitContext& context) {
  umask(0);  // modes of what is made below are meant literally
  const UniqueFd target(open(kContainerRoot, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!target) return sysError("open {}", kContainerRoot);
  Mount root{UniqueFd(context.root)};
  // pivot_root(2) refuses a shared root.
  auto attached = root.setPropagation(MS_PRIVATE, false);
  if (attached) attached = root.attach(target.get());
  context.root = root.release().release();
  return attached;
}

Result<void> mountProc(InitContext& context) {
  const Mount proc = TRY(Mount::create("proc", {}, kNoSuidExecDev));
  const UniqueFd target = TRY(ensurePlainDirectory(context.root, "proc", 0555));
  return proc.attach(target.get());
}

Result<void> mountDev(InitContext& context) {
  const UniqueFd target = TRY(ensurePlainDirectory(context.root, "dev"));
  if (const MountPlan* replacement = devReplacement(context)) {
    Mount dev = TRY(takeVolume(context, *replacement));
    TRY(dev.attach(target.get()));
    context.dev = dev.release().release();
    context.dev_replacement = replacement;
    return {};
  }
  Mount dev = TRY(Mount::create("tmpfs", {{"mode", "755"}, {"size", "65536k"}}, MOUNT_ATTR_NOSUID));
  TRY(dev.attach(target.get()));
  context.dev = dev.release().release();
  return populateDev(context.dev);
}

Result<void> mountDevpts(InitContext& context) {
  Mount devpts =
      TRY(Mount::create("devpts", {{"newinstance", ""}, {"ptmxmode", "0666"}, {"mode", "0620"}, {"gid", "5"}},
                        MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
  TRY(attachInDev(context, "pts", devpts));
  context.devpts = devpts.release().release();
  return {};
}

Result<void> mountShm(InitContext& context) {
  if (context.dev_replacement != nullptr) return {};
  const UniqueFd pod_shm(open(kPodShm, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!pod_shm) return sysError("open the pod's");
  const Mount shm = TRY(Mount::clone(pod_shm.get(), false));
  return attachInDev(context, "shm", shm);
}

Result<void> mountMqueue(InitContext& context) {
  if (context.dev_replacement != nullptr) return {};
  const Mount mqueue = TRY(Mount::create("mqueue", {}, kNoSuidExecDev));
  return attachInDev(context, "mqueue", mqueue);
}

Result<void> mountSys(InitContext& context) {
  const uint64_t read_only = context.container->privileged ? 0 : MOUNT_ATTR_RDONLY;
  const Mount sys = TRY(Mount::create("sysfs", {}, kNoSuidExecDev | read_only));
  const UniqueFd target = TRY(ensurePlainDirectory(context.root, "sys", 0555));
  return sys.attach(target.get());
}

Result<void> mountCgroup(InitContext& context) {
  const UniqueFd target = TRY(openInside(context.root, "/sys/fs/cgroup", O_PATH | O_DIRECTORY));
  const uint64_t attributes = kNoSuidExecDev | (context.container->privileged ? 0 : MOUNT_ATTR_RDONLY);
  if (context.v1_controllers.empty()) {
    if (!context.has_unified) return {};
    const Mount unified = TRY(Mount::create("cgroup2", {}, attributes));
    return unified.attach(target.get());
  }
  // As on the host: one directory a v1 hierarchy, the v2 one in `unified`.
  const Mount folder = TRY(Mount::create("tmpfs", {{"mode", "755"}}, kNoSuidExecDev));
  TRY(folder.attach(target.get()));
  const auto attach = [&](const Mount& hierarchy, const std::string& name) -> Result<void> {
    const UniqueFd directory = TRY(ensurePlainDirectory(folder.get(), name.c_str(), 0555));
    return hierarchy.attach(directory.get());
  };
  for (const std::string& controllers : context.v1_controllers) {
    const Mount hierarchy =
        TRY_CTX(Mount::create("cgroup", flagsOf(controllers), attributes), "{}", controllers);
    TRY_CTX(attach(hierarchy, controllers), "{}", controllers);
  }
  if (context.has_unified) {
    const Mount unified = TRY(Mount::create("cgroup2", {}, attributes));
    TRY(attach(unified, "unified"));
  }
  if (context.container->privileged) return {};
  return folder.setAttributes(MOUNT_ATTR_RDONLY, 0, false);
}

}  // namespace keelson::runtime::init
