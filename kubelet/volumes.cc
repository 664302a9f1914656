#include "kubelet/volumes.h"

#include <unistd.h>

#include <algorithm>
#include <set>

#include "kubelet/object_volumes.h"
#include "runtime/cgroup_layout.h"

namespace keelson::kubelet {
namespace {

constexpr uint32_t kTmpfsMode = 0777;

const api::Volume* findVolume(const api::Pod& pod, const std::string& name) {
  for (const auto& volume : pod.spec.volumes) {
    if (volume.name == name) return &volume;
  }
  return nullptr;
}

Result<void> ensureTmpfs(const api::Pod& pod, const api::Volume& volume, const VolumeMaker& maker,
                         Stop& stop) {
  const int64_t size = tmpfsSize(pod, *volume.empty_dir, maker.node_memory);
  const auto group = pod.spec.security_context.fs_group;
  const uint32_t mode = group ? (kTmpfsMode | S_ISGID) : kTmpfsMode;
  const DirFd dir = TRY(maker.runtime.ensureTmpfs(maker.uid, volume.name, size, mode, stop));
  if (!group) return {};
  struct stat info {};
  if (::fstat(dir.get(), &info) != 0) return sysError("stat tmpfs");
  if (info.st_gid == static_cast<gid_t>(*group)) return {};
  if (::fchown(dir.get(), static_cast<uid_t>(-1), static_cast<gid_t>(*group)) != 0) {
    return sysError("give tmpfs to group {}", *group);
  }
  if (::fchmod(dir.get(), static_cast<mode_t>(mode)) != 0) return sysError("mode of tmpfs");
  return {};
}

Error notServed(const api::Volume& volume) {
  if (const std::string source = unservedProjection(volume); !source.empty()) {
    return makeError(Code::kUnsupported, "projected source {} is not served by this node", source);
  }
  const std::string medium = volume.empty_dir ? " with medium " + volume.empty_dir->medium : "";
  return makeError(Code::kUnsupported, "volumes of kind {}{} are not served by this node", volumeKind(volume),
                   medium);
}

// Whether the volume keeps files of before for want of new ones.
Result<bool> ensureVolume(const api::Pod& pod, const api::Volume& volume, const VolumeMaker& maker,
                          Stop& stop) {
  if (!isServed(volume)) return notServed(volume);
  if (isObjectVolume(volume)) {
    const VolumeOutcome outcome = TRY(writeObjectVolume(pod, volume, maker, stop));
    return outcome.write == VolumeWrite::kStale;
  }
  if (!volume.empty_dir) return false;
  if (volume.empty_dir->medium == "Memory") {
    TRY(ensureTmpfs(pod, volume, maker, stop));
    return false;
  }
  TRY(maker.directory.ensureEmptyDir(volume.name, pod.spec.security_context.fs_group));
  return false;
}

}  // namespace

std::vector<const api::Volume*> mountedVolumes(const api::Pod& pod) {
  std::set<std::string> mounted;
  for (const auto* list : {&pod.spec.init_containers, &pod.spec.containers}) {
    for (const auto& container : *list) {
      for (const auto& mount : container.volume_mounts) mounted.insert(mount.name);
    }
  }
  std::vector<const api::Volume*> volumes;
  for (const auto& volume : pod.spec.volumes) {
    if (mounted.count(volume.name)) volumes.push_back(&volume);
  }
  return volumes;
}

std::string volumeKind(const api::Volume& volume) {
  if (volume.empty_dir) return "emptyDir";
  if (volume.host_path) return "hostPath";
  if (volume.config_map) return "configMap";
  if (volume.secret) return "secret";
  if (volume.downward_api) return "downwardAPI";
  if (volume.projected) return "projected";
  if (volume.nfs) return "nfs";
  if (volume.image) return "image";
  if (volume.persistent_volume_claim) return "persistentVolumeClaim";
  if (volume.csi) return "csi";
  return volume.unsupported_source.empty() ? "unknown" : volume.unsupported_source;
}

bool isServed(const api::Volume& volume) {
  if (volume.empty_dir) return volume.empty_dir->medium.empty() || volume.empty_dir->medium == "Memory";
  if (isObjectVolume(volume)) return unservedProjection(volume).empty();
  return volume.host_path.has_value();
}

int64_t tmpfsSize(const api::Pod& pod, const api::EmptyDirVolume& volume, Bytes node_memory) {
  int64_t size = node_memory.value;
  const auto lower = [&](int64_t limit) {
    if (limit > 0 && (size == 0 || limit < size)) size = limit;
  };
  if (const auto limit = runtime::podCgroup({}, pod).memory_limit) lower(limit->value);
  if (volume.size_limit) lower(volume.size_limit->value());
  return size;
}

EnsuredVolumes ensureLocalVolumes(const api::Pod& pod, const VolumeMaker& maker, Stop& stop) {
  EnsuredVolumes ensured;
  for (const auto* volume : mountedVolumes(pod)) {
    auto stale = ensureVolume(pod, *volume, maker, stop);
    if (!stale) {
      ensured.error = VolumeError{volume->name, std::move(stale).error()};
      return ensured;
    }
    ensured.is_stale = ensured.is_stale || *stale;
  }
  return ensured;
}

std::optional<VolumeError> checkHostPaths(const api::Pod& pod, runtime::HostPaths& host_paths, Stop& stop) {
  for (const auto* volume : mountedVolumes(pod)) {
    if (!volume->host_path || volume->host_path->type.empty()) continue;
    runtime::HostPathRequest request;
    request.path = volume->host_path->path;
    request.type = volume->host_path->type;
    auto opened = host_paths.open(request, stop);
    if (!opened) return VolumeError{volume->name, std::move(opened).error()};
  }
  return std::nullopt;
}

Result<std::map<size_t, runtime::HostPathRequest>> hostPathMounts(const api::Pod& pod,
                                                                  const api::Container& container,
                                                                  const Env& env) {
  std::map<size_t, runtime::HostPathRequest> requests;
  for (size_t i = 0; i < container.volume_mounts.size(); ++i) {
    const api::VolumeMount& mount = container.volume_mounts[i];
    const api::Volume* volume = findVolume(pod, mount.name);
    if (volume == nullptr || !volume->host_path) continue;
    runtime::HostPathRequest request;
    request.path = volume->host_path->path;
    request.type = volume->host_path->type;
    request.sub_path = TRY(mountSubPath(mount, env));
    request.propagation = mountPropagation(mount);
    requests.emplace(i, std::move(request));
  }
  return requests;
}

Result<OpenedMounts> openHostPaths(const std::map<size_t, runtime::HostPathRequest>& requests,
                                   runtime::HostPaths& host_paths, Stop& stop) {
  OpenedMounts opened;
  for (const auto& [index, request] : requests) opened.emplace(index, TRY(host_paths.open(request, stop)));
  return opened;
}

}  // namespace keelson::kubelet
