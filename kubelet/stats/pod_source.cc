#include "kubelet/stats/pod_source.h"

#include <algorithm>
#include <string_view>

#include "kubelet/text.h"

namespace keelson::kubelet::stats {
namespace {

constexpr std::string_view kScheme = "keelson://";
constexpr size_t kIdDigits = 64;

// Volumes whose content lies on the node's disk and counts as the pod's own
// (volumeutils.IsLocalEphemeralVolume).
std::string diskFolder(const api::Volume& volume) {
  if (volume.empty_dir && volume.empty_dir->medium.empty()) return "kubernetes.io~empty-dir";
  if (volume.config_map) return "kubernetes.io~configmap";
  return "";
}

}  // namespace

ContainerId containerIdOf(const std::string& text) {
  if (text.size() != kScheme.size() + kIdDigits || !text.starts_with(kScheme)) return ContainerId{};
  std::string id = text.substr(kScheme.size());
  const bool hex = std::all_of(id.begin(), id.end(),
                               [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  return hex ? ContainerId{std::move(id)} : ContainerId{};
}

PodSource buildPodSource(const api::Pod& pod, const SourcePaths& paths) {
  PodSource source;
  source.uid = PodUid{pod.metadata.uid};
  source.cgroup = runtime::podCgroupPath(paths.cgroups, source.uid, runtime::qosClass(pod.spec));
  const std::string folder = fmt::format("{}/pods/{}", paths.root_dir, pod.metadata.uid);
  source.files = folder + "/containers";
  const std::string logs =
      fmt::format("{}/{}", paths.pod_logs_dir,
                  podLogFolder(pod.metadata.namespace_, pod.metadata.name, pod.metadata.uid));
  const auto add = [&](const std::vector<api::ContainerStatus>& statuses) {
    for (const api::ContainerStatus& status : statuses) {
      const ContainerId id = containerIdOf(status.container_id);
      if (id.empty()) continue;
      PodSource::Container container;
      container.name = status.name;
      container.id = id;
      container.running = status.state.running.has_value();
      if (container.running) container.started_at = status.state.running->started_at;
      container.cgroup = fmt::format("{}/{}", source.cgroup, id.str());
      container.layer = fmt::format("{}/containers/{}", paths.state_dir, id.str());
      container.logs = fmt::format("{}/{}", logs, status.name);
      source.containers.push_back(std::move(container));
    }
  };
  add(pod.status.container_statuses);
  add(pod.status.init_container_statuses);
  add(pod.status.ephemeral_container_statuses);
  for (const api::Volume& volume : pod.spec.volumes) {
    const std::string kind = diskFolder(volume);
    if (!kind.empty()) {
      source.volumes.push_back({volume.name, fmt::format("{}/volumes/{}/{}", folder, kind, volume.name)});
    }
  }
  return source;
}

}  // namespace keelson::kubelet::stats
