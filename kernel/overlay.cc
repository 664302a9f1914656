// createOverlay(): one overlay, three ways to hand its layers to the kernel.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <system_error>
#include <thread>

#include "base/fs.h"
#include "kernel/features.h"
#include "kernel/fs_context.h"
#include "kernel/mount.h"

namespace keelson::kernel {
namespace {

constexpr size_t kMaxLayers = 500;         // OVL_MAX_STACK of fs/overlayfs
constexpr size_t kMaxMountOptions = 4095;  // mount(2): one page with its final zero

struct Layers {
  const std::vector<int>& lower;
  int upper;
  int work;
};

std::string procPath(int fd) { return fmt::format("/proc/self/fd/{}", fd); }

// "12:13:14": names relative to /proc/self/fd.
std::string lowerNames(const std::vector<int>& lower) {
  std::string names;
  for (const int fd : lower) names += fmt::format("{}{}", names.empty() ? "" : ":", fd);
  return names;
}

// In a user namespace overlay keeps its marks in user.overlay.* (mount in userns: 5.11).
bool inUserNamespace() {
  static const bool inside = [] {
    auto map = readFile("/proc/self/uid_map", 4096);
    unsigned first = 0, outside = 0, count = 0;
    return map && (sscanf(map->c_str(), "%u %u %u", &first, &outside, &count) != 3 || count != 4294967295U);
  }();
  return inside;
}

// containerd's: an index would tie an upper directory to its first lower ones. An upper directory lives as
// long as its container, and a crash of the machine ends both, so syncing it buys nothing ("volatile", 5.10).
// https://docs.kernel.org/filesystems/overlayfs.html#volatile-mount
std::vector<std::string> flagsFor(const Layers& layers) {
  std::vector<std::string> flags;
  if (layers.upper >= 0) flags.emplace_back("volatile");
  if (inUserNamespace()) flags.emplace_back("userxattr");
  return flags;
}

Result<Mount> finish(FsContext& context, const Layers& layers) {
  TRY(context.setString("source", "overlay"));
  TRY(context.setString("index", "off"));
  for (const std::string& flag : flagsFor(layers)) TRY(context.setFlag(flag.c_str()));
  return context.mount(0);
}

// Linux 6.7 and later: a call a layer.
Result<Mount> createByLayer(const Layers& layers, const Features& kernel) {
  FsContext context = TRY(FsContext::open("overlay"));
  const auto give = [&](const char* key, int fd) {
    return kernel.overlay_layers_by_fd ? context.setFd(key, fd) : context.setString(key, procPath(fd));
  };
  for (const int fd : layers.lower) TRY(give("lowerdir+", fd));
  if (layers.upper >= 0) {
    TRY(give("upperdir", layers.upper));
    TRY(give("workdir", layers.work));
  }
  return finish(context, layers);
}

// Runs `work` on a short-lived thread, whose working directory and mount namespace it may change.
Result<Mount> onOwnThread(const std::function<Result<Mount>()>& work) {
  Result<Mount> made = makeError(Code::kInternal, "mount overlay: not run");
  try {
    std::thread([&] { made = work(); }).join();
  } catch (const std::system_error& thrown) {
    return errnoError(thrown.code().value(), "mount overlay: start a thread");
  }
  return made;
}

Result<void> enterDescriptorFolder() {
  if (chdir("/proc/thread-self/fd") != 0) return sysError("mount overlay: enter /proc/thread-self/fd");
  return {};
}

// Before 6.7: all lower layers in one string. Names relative to the folder of our descriptors make it short:
// about 80 fit.
Result<Mount> createByString(const Layers& layers, const std::string& names) {
  if (unshare(CLONE_FS) != 0) return sysError("mount overlay: unshare the working directory");
  TRY(enterDescriptorFolder());
  FsContext context = TRY(FsContext::open("overlay"));
  TRY(context.setString("lowerdir", names));
  if (layers.upper >= 0) {
    TRY(context.setString("upperdir", fmt::format("{}", layers.upper)));
    TRY(context.setString("workdir", fmt::format("{}", layers.work)));
  }
  return finish(context, layers);
}

// The same object in this thread's mount namespace: overlay refuses layers of another one. Found by
// path, proven by device and inode.
Result<UniqueFd> reopenHere(int fd) {
  char path[PATH_MAX];
  const ssize_t size = readlink(procPath(fd).c_str(), path, sizeof path - 1);
  if (size < 0) return sysError("mount overlay: name of a layer");
  path[size] = '\0';
  UniqueFd here(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!here) return sysError("mount overlay: layer {}", path);
  struct stat before {
  }, after{};
  if (fstat(fd, &before) != 0 || fstat(here.get(), &after) != 0)
    return sysError("mount overlay: layer {}", path);
  if (before.st_dev != after.st_dev || before.st_ino != after.st_ino) {
    return makeError(Code::kFailedPrecondition, "mount overlay: layer {} is not reachable by its path", path);
  }
  return here;
}

// Before 6.7 with very many layers: mount(2) takes a page of options but needs a place in a mount table. It
// gets one in a namespace of this thread alone, which ends with the thread; a detached clone of the mount
// stays.
Result<Mount> createByMountCall(const Layers& layers) {
  if (unshare(CLONE_NEWNS) != 0) return sysError("mount overlay: unshare mounts");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return sysError("mount overlay: private mounts");
  std::vector<UniqueFd> held;
  std::vector<int> lower;
  for (const int fd : layers.lower) {
    held.push_back(TRY(reopenHere(fd)));
    lower.push_back(held.back().get());
  }
  std::string options = "index=off,lowerdir=" + lowerNames(lower);
  if (layers.upper >= 0) {
    held.push_back(TRY(reopenHere(layers.upper)));
    options += fmt::format(",upperdir={}", held.back().get());
    held.push_back(TRY(reopenHere(layers.work)));
    options += fmt::format(",workdir={}", held.back().get());
  }
  for (const std::string& flag : flagsFor(layers)) options += "," + flag;
  if (options.size() > kMaxMountOptions) {
    return makeError(Code::kResourceExhausted, "mount overlay: {} layers do not fit mount(2)",
                     layers.lower.size());
  }
  TRY(enterDescriptorFolder());
  char place[PATH_MAX];
  const ssize_t size = readlink(procPath(lower.front()).c_str(), place, sizeof place - 1);
  if (size < 0) return sysError("mount overlay: name of a layer");
  place[size] = '\0';
  if (::mount("overlay", place, "overlay", 0, options.c_str()) != 0) {
    return sysError("mount overlay: mount(2) of {} layers", layers.lower.size());
  }
  UniqueFd cloned(open_tree(AT_FDCWD, place, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!cloned) return sysError("mount overlay: clone");
  return Mount(std::move(cloned));
}

// overlay wants two layers; a lone read-only one is mounted as it is.
Result<Mount> createReadOnlyBind(int layer) {
  Mount mount = TRY(Mount::clone(layer, false));
  TRY(mount.setAttributes(MOUNT_ATTR_RDONLY, 0, false));
  return mount;
}

}  // namespace

Result<Mount> createOverlay(const std::vector<int>& lower, int upper, int work) {
  if (lower.empty()) return makeError(Code::kInvalidArgument, "mount overlay: no layers");
  if (lower.size() > kMaxLayers) {
    return makeError(Code::kResourceExhausted, "mount overlay: {} layers, at most {}", lower.size(),
                     kMaxLayers);
  }
  if (lower.size() == 1 && upper < 0) return createReadOnlyBind(lower.front());
  const Layers layers{lower, upper, work};
  const Features& kernel = features();
  if (kernel.overlay_append_layers) return createByLayer(layers, kernel);
  const std::string names = lowerNames(lower);
  if (names.size() <= kMaxFsconfigString) return onOwnThread([&] { return createByString(layers, names); });
  return onOwnThread([&] { return createByMountCall(layers); });
}

}  // namespace keelson::kernel
