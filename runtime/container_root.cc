#include "runtime/container_root.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "runtime/copy_tree.h"
#include "runtime/run_folder.h"

namespace keelson::runtime {
namespace {

constexpr size_t kMaxImageVolumes = 1024;

Result<DirFd> openContainers(const std::string& state_dir) {
  const DirFd state = TRY(DirFd::ensure(state_dir));
  return state.ensureDir("containers", 0700);
}

bool isTaken(const std::string& target, const std::vector<OwnedMount>& mounts) {
  return std::any_of(mounts.begin(), mounts.end(),
                     [&](const OwnedMount& mount) { return cleanTarget(mount.plan.target) == target; });
}

Result<OwnedMount> createVolume(const DirFd& volumes, size_t number, const DirFd& root,
                                const std::string& target, Stop& stop) {
  const DirFd volume = TRY(volumes.ensureDir(std::to_string(number), 0755));
  const auto seed = root.openDir(target.substr(1), Symlinks::kInsideRoot);
  if (seed) {
    TRY(copyTree(*seed, volume, stop));
  } else if (seed.error().code != Code::kNotFound) {
    return seed.error();
  }
  kernel::Mount mount = TRY(kernel::Mount::clone(volume.get(), false));
  TRY(mount.setPropagation(MS_PRIVATE, false));
  OwnedMount owned;
  owned.plan.target = target;
  owned.source = mount.release();
  return owned;
}

}  // namespace

std::string cleanTarget(const std::string& path) {
  std::string clean;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string part = path.substr(at, end - at);
    if (part == "..") return "";
    if (!part.empty() && part != ".") clean += "/" + part;
    at = end + 1;
  }
  return clean;
}

bool isSystemTarget(const std::string& target) {
  constexpr std::string_view kSystem[] = {"/proc", "/sys", "/dev"};
  return std::any_of(std::begin(kSystem), std::end(kSystem), [&](std::string_view system) {
    return target.starts_with(system) && (target.size() == system.size() || target[system.size()] == '/');
  });
}

Result<void> createContainerFolder(const std::string& state_dir, const ContainerId& id) {
  TRY(checkId(id));
  const DirFd containers = TRY(openContainers(state_dir));
  if (::mkdirat(containers.get(), id.str().c_str(), 0700) != 0)
    return sysError("make folder of container {}", id.str());
  return {};
}

Result<kernel::Mount> createContainerRoot(const std::string& state_dir, const ContainerId& id,
                                          const ImageLayers& layers) {
  TRY(checkId(id));
  const DirFd containers = TRY(openContainers(state_dir));
  const DirFd folder = TRY(containers.openDir(id.str()));
  const DirFd upper = TRY(folder.ensureDir("upper", 0755));
  const DirFd work = TRY(folder.ensureDir("work", 0700));
  std::vector<int> lower;
  for (const auto& layer : layers.top_first) lower.push_back(layer.get());
  DirFd empty;
  if (lower.empty()) {
    empty = TRY(folder.ensureDir("lower", 0755));
    lower.push_back(empty.get());
  }
  return TRY_CTX(kernel::createOverlay(lower, upper.get(), work.get()), "overlay of {} layers", lower.size());
}

Result<std::vector<OwnedMount>> createImageVolumes(const std::string& state_dir, const ContainerId& id,
                                                   const kernel::Mount& root, const ImageConfig& image,
                                                   const std::vector<OwnedMount>& taken, Stop& stop) {
  std::vector<OwnedMount> mounts;
  if (image.volumes.empty()) return mounts;
  if (image.volumes.size() > kMaxImageVolumes) {
    return makeError(Code::kInvalidArgument, "the image has more than {} volumes", kMaxImageVolumes);
  }
  UniqueFd root_fd(::fcntl(root.get(), F_DUPFD_CLOEXEC, 3));
  if (!root_fd) return sysError("duplicate root");
  const DirFd root_dir(std::move(root_fd));
  const DirFd containers = TRY(openContainers(state_dir));
  const DirFd folder = TRY(containers.openDir(id.str()));
  const DirFd volumes = TRY(folder.ensureDir("volumes", 0700));
  for (const auto& path : image.volumes) {
    const std::string target = cleanTarget(path);
    if (target.empty() || isSystemTarget(target) || isTaken(target, taken) || isTaken(target, mounts))
      continue;
    mounts.push_back(TRY_CTX(createVolume(volumes, mounts.size(), root_dir, target, stop),
                             "volume {} of the image", target));
  }
  return mounts;
}

Result<void> removeContainerFolder(const std::string& state_dir, const ContainerId& id) {
  TRY(checkId(id));
  const DirFd containers = TRY(openContainers(state_dir));
  TRY_CTX(containers.removeTree(id.str()), "writable layer {}", id.str());
  return {};
}

Result<std::vector<ContainerId>> listContainerFolders(const std::string& state_dir) {
  const DirFd containers = TRY(openContainers(state_dir));
  std::vector<ContainerId> ids;
  for (const auto& entry : TRY(containers.list())) {
    const ContainerId id(entry.name);
    if (entry.type == DT_DIR && checkId(id)) ids.push_back(id);
  }
  return ids;
}

}  // namespace keelson::runtime
