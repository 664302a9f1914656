// The volumes of a pod: what is made before its containers, and what each container mounts of them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/pod.h"
#include "base/executor.h"
#include "kubelet/container_env.h"
#include "kubelet/object_store.h"
#include "kubelet/pod_directory.h"
#include "kubelet/token_source.h"
#include "runtime/host_path.h"
#include "runtime/runtime.h"

namespace keelson::kubelet {

// A failure of one volume, for the FailedMount event.
struct VolumeError {
  std::string volume;
  Error error;
};

// The pod's volumes that a container mounts, in the order of the spec. Pure.
std::vector<const api::Volume*> mountedVolumes(const api::Pod& pod);

// The name of a volume's kind as the API spells it ("emptyDir", "configMap"); and whether this node serves
// it. Pure.
std::string volumeKind(const api::Volume& volume);
bool isServed(const api::Volume& volume);

// What a memory emptyDir may hold: the least of sizeLimit, the pod's memory limit and the node's memory.
// Pure.
int64_t tmpfsSize(const api::Pod& pod, const api::EmptyDirVolume& volume, Bytes node_memory);

struct VolumeMaker {
  const PodDirectory& directory;
  runtime::Runtime& runtime;
  PodUid uid;
  Bytes node_memory;
  PodObjects objects;
  DownwardFacts facts;
  std::shared_ptr<TokenSource> tokens;  // null without an API server
  WallTime now;
};

struct EnsuredVolumes {
  std::optional<VolumeError> error;
  bool is_stale =
      false;  // a volume keeps files of before, because its objects are not known or not right now
};
// Makes emptyDirs of both kinds and volumes made of objects, refuses kinds that are not served; host paths
// are not touched. Ends at the first error. May run twice. Short blocking calls only.
EnsuredVolumes ensureLocalVolumes(const api::Pod& pod, const VolumeMaker& maker, Stop& stop);
// The type checks of host paths, each in a helper process. For lane volumes.
std::optional<VolumeError> checkHostPaths(const api::Pod& pod, runtime::HostPaths& host_paths, Stop& stop);

// What a container's mounts ask of the host, by their index in volumeMounts; subPathExpr is expanded. Pure.
Result<std::map<size_t, runtime::HostPathRequest>> hostPathMounts(const api::Pod& pod,
                                                                  const api::Container& container,
                                                                  const Env& env);
using OpenedMounts = std::map<size_t, runtime::OpenedHostPath>;
// Opens them all or none. For lane volumes.
Result<OpenedMounts> openHostPaths(const std::map<size_t, runtime::HostPathRequest>& requests,
                                   runtime::HostPaths& host_paths, Stop& stop);

// The container's volumeMounts as mounts. `opened` is used up.
Result<std::vector<runtime::OwnedMount>> volumeMounts(const api::Pod& pod, const api::Container& container,
                                                      const Env& env, const VolumeMaker& maker,
                                                      OpenedMounts opened, Stop& stop);

// What is mounted inside of another mount comes after it; else the order stays. Pure.
std::vector<runtime::OwnedMount> outerFirst(std::vector<runtime::OwnedMount> mounts);

// The relative path of a mount below its volume: subPath, or subPathExpr with its variables. kInvalidArgument
// if it is absolute, has "..", or names an unknown variable. Pure.
Result<std::string> mountSubPath(const api::VolumeMount& mount, const Env& env);

// None is private, HostToContainer slave, Bidirectional shared. Pure.
runtime::Propagation mountPropagation(const api::VolumeMount& mount);

struct OpenedSubPath {
  UniqueFd fd;  // O_PATH
  bool is_directory = true;
};
// Opens `path` below `volume`; links resolve inside of the volume only; missing directories are made with
// the mode of the one above. "" is the volume itself.
Result<OpenedSubPath> openSubPath(const DirFd& volume, const std::string& path);

}  // namespace keelson::kubelet
