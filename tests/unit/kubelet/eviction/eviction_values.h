// Values that tests of eviction are made of.
#pragma once

#include <string>
#include <vector>

#include "api/pod.h"
#include "kubelet/eviction/pressure_state.h"
#include "kubelet/eviction/ranking.h"

namespace keelson::kubelet::eviction {

inline api::Quantity amount(const std::string& text) { return api::Quantity::parse(text).value(); }

inline Threshold threshold(Signal signal, const std::string& value, Duration grace = Duration{0}) {
  Threshold out;
  out.signal = signal;
  out.value.quantity = amount(value);
  out.grace = grace;
  return out;
}

inline Observation seen(const std::string& available, const std::string& capacity = "10Gi",
                        WallTime at = WallTime{}) {
  return {amount(available), amount(capacity), at};
}

struct PodSketch {
  std::string name = "p";
  int32_t priority = 0;
  std::string memory_request;
  std::string storage_request;
  std::string memory_usage = "0";
  int64_t rootfs = 0, logs = 0, volume = 0;  // bytes; a thousandth as many inodes
  uint64_t pids = 0;
  bool has_stats = true;
};

inline api::Pod podOf(const PodSketch& sketch) {
  api::Pod pod;
  pod.metadata.name = sketch.name;
  pod.metadata.namespace_ = "default";
  pod.metadata.uid = "uid-" + sketch.name;
  pod.spec.priority = sketch.priority;
  api::Container& container = pod.spec.containers.emplace_back();
  container.name = "c";
  if (!sketch.memory_request.empty()) {
    container.resources.requests["memory"] = amount(sketch.memory_request);
  }
  if (!sketch.storage_request.empty()) {
    container.resources.requests["ephemeral-storage"] = amount(sketch.storage_request);
  }
  api::Volume& volume = pod.spec.volumes.emplace_back();
  volume.name = "data";
  volume.empty_dir.emplace();
  return pod;
}

inline stats::DiskUsage disk(int64_t bytes) {
  return {Bytes{bytes}, static_cast<uint64_t>(bytes / 1000), WallTime{}, true};
}

inline stats::PodStats statsOf(const PodSketch& sketch) {
  stats::PodStats stats;
  stats.uid = PodUid{"uid-" + sketch.name};
  kernel::CgroupMemory memory;
  memory.working_set = Bytes{amount(sketch.memory_usage).value()};
  stats.usage.memory = memory;
  stats.usage.pids = sketch.pids;
  stats::ContainerStats container;
  container.name = "c";
  container.running = true;
  container.usage.memory = memory;
  container.rootfs = disk(sketch.rootfs);
  container.logs = disk(sketch.logs);
  stats.containers.push_back(container);
  stats.volumes.push_back({"data", disk(sketch.volume)});
  return stats;
}

inline Candidate candidate(const PodSketch& sketch) {
  Candidate out;
  out.pod = std::make_shared<const api::Pod>(podOf(sketch));
  if (sketch.has_stats) out.stats = statsOf(sketch);
  return out;
}

}  // namespace keelson::kubelet::eviction
