#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "kernel/mount.h"
#include "kubelet/object_volumes.h"
#include "kubelet/volumes.h"
#include "runtime/expand.h"

namespace keelson::kubelet {
namespace {

constexpr size_t kMaxSubPathParts = 256;

std::vector<std::string> parts(const std::string& path) {
  std::vector<std::string> out;
  size_t from = 0;
  while (from <= path.size()) {
    const size_t slash = std::min(path.find('/', from), path.size());
    const std::string part = path.substr(from, slash - from);
    if (!part.empty() && part != ".") out.push_back(part);
    from = slash + 1;
  }
  return out;
}

size_t depth(const runtime::OwnedMount& mount) { return parts(mount.plan.target).size(); }

uint64_t propagationFlag(runtime::Propagation propagation) {
  switch (propagation) {
    case runtime::Propagation::kSlave:
      return MS_SLAVE;
    case runtime::Propagation::kShared:
      return MS_SHARED;
    case runtime::Propagation::kPrivate:
      break;
  }
  return MS_PRIVATE;
}

runtime::MountPlan basePlan(const api::VolumeMount& mount) {
  runtime::MountPlan plan;
  plan.target = mount.mount_path;
  plan.read_only = mount.read_only;
  // mount_setattr(AT_RECURSIVE) is in every kernel this daemon runs on, so IfPossible means yes.
  plan.recursive_read_only = mount.read_only && (mount.recursive_read_only == "Enabled" ||
                                                 mount.recursive_read_only == "IfPossible");
  plan.propagation = mountPropagation(mount);
  return plan;
}

// What lies at `opened` on this node's disk.
Result<runtime::OwnedMount> diskMount(const api::VolumeMount& mount, const OpenedSubPath& opened) {
  kernel::Mount clone = TRY(kernel::Mount::clone(opened.fd.get(), true));
  runtime::OwnedMount made{basePlan(mount), UniqueFd()};
  TRY(clone.setPropagation(propagationFlag(made.plan.propagation), true));
  made.plan.is_directory = opened.is_directory;
  made.source = clone.release();
  return made;
}

// What lies at `sub_path` of the pod's tmpfs of this name.
runtime::OwnedMount memoryMount(const api::VolumeMount& mount, const std::string& sub_path,
                                const OpenedSubPath& opened) {
  runtime::OwnedMount made{basePlan(mount), UniqueFd()};
  made.plan.source = runtime::MountSource::kPodTmpfs;
  made.plan.tmpfs_name = mount.name;
  made.plan.sub_path = sub_path;
  made.plan.is_directory = opened.is_directory;
  return made;
}

Result<runtime::OwnedMount> emptyDirMount(const api::Volume& volume, const api::VolumeMount& mount,
                                          const std::string& sub_path, const VolumeMaker& maker,
                                          const api::Pod& pod) {
  const DirFd dir = TRY(maker.directory.ensureEmptyDir(volume.name, pod.spec.security_context.fs_group));
  return diskMount(mount, TRY(openSubPath(dir, sub_path)));
}

// Read-only whatever the mount says, as Kubernetes has it: the files are the node's to write. A subPath stays
// with the file that it named at this start.
Result<runtime::OwnedMount> objectMount(const api::Volume& volume, const api::VolumeMount& mount,
                                        const std::string& sub_path, const VolumeMaker& maker,
                                        const api::Pod& pod, Stop& stop) {
  const DirFd dir = TRY(openObjectVolume(pod, volume, maker, stop));
  const OpenedSubPath opened = TRY(openSubPath(dir, sub_path));
  auto made = isKeptInMemory(volume) ? memoryMount(mount, sub_path, opened) : TRY(diskMount(mount, opened));
  made.plan.read_only = true;
  return made;
}

Result<runtime::OwnedMount> tmpfsMount(const api::Volume& volume, const api::VolumeMount& mount,
                                       const std::string& sub_path, const VolumeMaker& maker,
                                       const api::Pod& pod, Stop& stop) {
  const int64_t size = tmpfsSize(pod, *volume.empty_dir, maker.node_memory);
  const DirFd dir = TRY(maker.runtime.ensureTmpfs(maker.uid, volume.name, size, 0777, stop));
  return memoryMount(mount, sub_path, TRY(openSubPath(dir, sub_path)));
}

}  // namespace

std::vector<runtime::OwnedMount> outerFirst(std::vector<runtime::OwnedMount> mounts) {
  std::stable_sort(mounts.begin(), mounts.end(),
                   [](const auto& a, const auto& b) { return depth(a) < depth(b); });
  return mounts;
}

runtime::Propagation mountPropagation(const api::VolumeMount& mount) {
  if (mount.mount_propagation == "HostToContainer") return runtime::Propagation::kSlave;
  if (mount.mount_propagation == "Bidirectional") return runtime::Propagation::kShared;
  return runtime::Propagation::kPrivate;
}

Result<std::string> mountSubPath(const api::VolumeMount& mount, const Env& env) {
  std::string path = mount.sub_path;
  if (!mount.sub_path_expr.empty()) {
    const std::map<std::string, std::string> variables = [&] {
      std::map<std::string, std::string> all;
      for (const auto& [name, value] : env) all[name] = value;
      return all;
    }();
    path = runtime::expandVariables(mount.sub_path_expr, variables);
    if (path.find("$(") != std::string::npos) {
      return makeError(Code::kInvalidArgument, "missing value for subPathExpr {}", mount.sub_path_expr);
    }
  }
  if (path.empty()) return path;
  if (path.front() == '/') {
    return makeError(Code::kInvalidArgument, "error SubPath `{}` must not be an absolute path", path);
  }
  const auto names = parts(path);
  if (std::find(names.begin(), names.end(), "..") != names.end()) {
    return makeError(Code::kInvalidArgument, "unable to provision SubPath `{}`: must not contain '..'", path);
  }
  if (names.size() > kMaxSubPathParts) {
    return makeError(Code::kInvalidArgument, "unable to provision SubPath `{}`: too many parts", path);
  }
  return path;
}

Result<OpenedSubPath> openSubPath(const DirFd& volume, const std::string& path) {
  std::string walked = ".";
  OpenedSubPath at{TRY(volume.openBeneath(".", O_PATH | O_DIRECTORY, 0, Symlinks::kInsideRoot)), true};
  for (const auto& part : parts(path)) {
    if (!at.is_directory)
      return makeError(Code::kInvalidArgument, "subPath {}: {} is not a directory", path, walked);
    const std::string next = walked + "/" + part;
    auto opened = volume.openBeneath(next, O_PATH, 0, Symlinks::kInsideRoot);
    if (!opened && opened.error().code == Code::kNotFound) {
      struct stat parent {};
      if (::fstat(at.fd.get(), &parent) != 0) return sysError("stat {}", walked);
      if (::mkdirat(at.fd.get(), part.c_str(), parent.st_mode & 07777) != 0 && errno != EEXIST) {
        return sysError("make {}", next);
      }
      opened = volume.openBeneath(next, O_PATH | O_DIRECTORY, 0, Symlinks::kInsideRoot);
      // mkdir(2) lets the umask take bits away; the mode is that of the directory above. O_PATH needs the
      // /proc name.
      if (opened &&
          ::chmod(fmt::format("/proc/self/fd/{}", opened->get()).c_str(), parent.st_mode & 07777) != 0) {
        return sysError("mode of {}", next);
      }
    }
    if (!opened) return std::move(opened).error().withContext(fmt::format("subPath {}", path));
    struct stat info {};
    if (::fstat(opened->get(), &info) != 0) return sysError("stat {}", next);
    at = {std::move(*opened), S_ISDIR(info.st_mode)};
    walked = next;
  }
  return at;
}

Result<std::vector<runtime::OwnedMount>> volumeMounts(const api::Pod& pod, const api::Container& container,
                                                      const Env& env, const VolumeMaker& maker,
                                                      OpenedMounts opened, Stop& stop) {
  std::vector<runtime::OwnedMount> mounts;
  for (size_t i = 0; i < container.volume_mounts.size(); ++i) {
    const api::VolumeMount& mount = container.volume_mounts[i];
    const auto volume = std::find_if(pod.spec.volumes.begin(), pod.spec.volumes.end(),
                                     [&](const auto& one) { return one.name == mount.name; });
    if (volume == pod.spec.volumes.end()) {
      return makeError(Code::kInvalidArgument, "volumeMount {}: no such volume", mount.name);
    }
    const auto prepared = [&](Error error) {
      return std::move(error).withContext(
          fmt::format("failed to prepare subPath for volumeMount \"{}\" of container \"{}\"", mount.name,
                      container.name));
    };
    if (volume->host_path) {
      const auto found = opened.find(i);
      if (found == opened.end()) {
        return makeError(Code::kFailedPrecondition, "volumeMount {}: host path is not open", mount.name);
      }
      runtime::OwnedMount made{basePlan(mount), std::move(found->second.mount)};
      made.plan.is_directory = found->second.is_directory;
      mounts.push_back(std::move(made));
      continue;
    }
    auto sub_path = mountSubPath(mount, env);
    if (!sub_path) return prepared(std::move(sub_path).error());
    const bool memory = volume->empty_dir && volume->empty_dir->medium == "Memory";
    auto made = isObjectVolume(*volume) ? objectMount(*volume, mount, *sub_path, maker, pod, stop)
                : memory                ? tmpfsMount(*volume, mount, *sub_path, maker, pod, stop)
                                        : emptyDirMount(*volume, mount, *sub_path, maker, pod);
    if (!made) return prepared(std::move(made).error());
    mounts.push_back(std::move(*made));
  }
  return mounts;
}

}  // namespace keelson::kubelet
