#include "kubelet/stats/observer.h"

namespace keelson::kubelet::stats {
namespace {

template <class T>
std::optional<T> optionalOf(Result<T> result) {
  if (!result) return std::nullopt;
  return std::move(result).value();
}

// The nearest directory above that exists: a store that has nothing yet lies where it will be made.
std::optional<kernel::FsCapacity> capacityOf(std::string path) {
  while (!path.empty()) {
    auto capacity = kernel::readFsCapacity(path);
    if (capacity) return *capacity;
    if (capacity.error().code != Code::kNotFound || path == "/") return std::nullopt;
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos) return std::nullopt;
    path.resize(slash == 0 ? 1 : slash);
  }
  return std::nullopt;
}

}  // namespace

HostObserver::HostObserver(Options options, const Clock& clock)
    : options_(std::move(options)), clock_(clock), trees_(clock) {}

Result<NodeStats> HostObserver::node(Stop& stop) {
  TRY(stop.check("read the node's figures"));
  NodeStats node;
  node.at = clock_.wall();
  node.meminfo = TRY(kernel::readMeminfo());
  node.memory = optionalOf(kernel::readRootMemory(options_.hierarchies));
  const auto pods = kernel::Cgroup::open(options_.hierarchies, options_.pods_cgroup);
  if (pods) node.pods = optionalOf(kernel::readCgroupMemory(options_.hierarchies, *pods));
  node.nodefs = capacityOf(options_.nodefs);
  node.imagefs = capacityOf(options_.imagefs);
  node.containerfs = capacityOf(options_.containerfs);
  node.tasks = optionalOf(kernel::readTaskCount());
  return node;
}

CgroupUsage HostObserver::readCgroup(const std::string& path) const {
  CgroupUsage usage;
  usage.at = clock_.wall();
  const auto cgroup = kernel::Cgroup::open(options_.hierarchies, path);
  if (!cgroup) return usage;
  usage.memory = optionalOf(kernel::readCgroupMemory(options_.hierarchies, *cgroup));
  usage.cpu_nanoseconds = optionalOf(kernel::readCgroupCpu(options_.hierarchies, *cgroup));
  usage.pids = optionalOf(kernel::readCgroupPids(*cgroup));
  return usage;
}

std::optional<DiskUsage> HostObserver::measure(const std::string& path, TreeUsageCache::Content content,
                                               Stop& stop) {
  return optionalOf(trees_.measure(path, content, stop));
}

PodStats HostObserver::pod(const PodSource& source, Detail detail, Stop& stop) {
  using Content = TreeUsageCache::Content;
  PodStats pod;
  pod.uid = source.uid;
  pod.usage = readCgroup(source.cgroup);
  for (const PodSource::Container& each : source.containers) {
    ContainerStats container;
    container.name = each.name;
    container.id = each.id;
    container.running = each.running;
    container.started_at = each.started_at;
    if (each.running) container.usage = readCgroup(each.cgroup);
    if (detail == Detail::kDisk) {
      container.rootfs = measure(each.layer, each.running ? Content::kChanging : Content::kFinal, stop);
      container.logs = measure(each.logs, Content::kChanging, stop);
    }
    pod.containers.push_back(std::move(container));
  }
  if (detail != Detail::kDisk) return pod;
  for (const PodSource::Volume& volume : source.volumes) {
    const auto usage = measure(volume.path, Content::kChanging, stop);
    if (usage) pod.volumes.push_back({volume.name, *usage});
  }
  pod.files = measure(source.files, Content::kChanging, stop);
  return pod;
}

}  // namespace keelson::kubelet::stats
