#include "kubelet/stats/summary.h"

namespace keelson::kubelet::stats {
namespace {

int64_t bytesOf(const Bytes& bytes) { return static_cast<int64_t>(bytes.value); }

json::object cpuOf(WallTime at, uint64_t nanoseconds, const std::optional<uint64_t>& nanocores) {
  json::object cpu{{"time", formatTime(at)}};
  if (nanocores) cpu["usageNanoCores"] = *nanocores;
  cpu["usageCoreNanoSeconds"] = nanoseconds;
  return cpu;
}

json::object memoryOf(WallTime at, const kernel::CgroupMemory& memory, const std::optional<Bytes>& limit) {
  json::object shown{{"time", formatTime(at)}};
  if (limit) shown["availableBytes"] = std::max<int64_t>(0, bytesOf(*limit) - bytesOf(memory.working_set));
  shown["usageBytes"] = bytesOf(memory.usage);
  shown["workingSetBytes"] = bytesOf(memory.working_set);
  shown["rssBytes"] = bytesOf(memory.rss);
  shown["pageFaults"] = memory.page_faults;
  shown["majorPageFaults"] = memory.major_page_faults;
  return shown;
}

json::object fsOf(WallTime at, const kernel::FsCapacity& fs) {
  json::object shown{{"time", formatTime(at)},
                     {"availableBytes", bytesOf(fs.available)},
                     {"capacityBytes", bytesOf(fs.capacity)},
                     {"usedBytes", bytesOf(fs.capacity) - bytesOf(fs.available)}};
  if (fs.inodes > 0) {
    shown["inodesFree"] = fs.inodes_free;
    shown["inodes"] = fs.inodes;
    shown["inodesUsed"] = fs.inodes - fs.inodes_free;
  }
  return shown;
}

// Use of one tree, with the capacity of the disk it is on.
json::object usageOf(const DiskUsage& usage, const std::optional<kernel::FsCapacity>& disk) {
  json::object shown{{"time", formatTime(usage.at)}};
  if (disk) {
    shown["availableBytes"] = bytesOf(disk->available);
    shown["capacityBytes"] = bytesOf(disk->capacity);
    shown["inodesFree"] = disk->inodes_free;
    shown["inodes"] = disk->inodes;
  }
  shown["usedBytes"] = bytesOf(usage.bytes);
  shown["inodesUsed"] = usage.inodes;
  return shown;
}

json::object linkOf(const LinkCounters& link) {
  return {{"name", link.name},
          {"rxBytes", link.rx_bytes},
          {"rxErrors", link.rx_errors},
          {"txBytes", link.tx_bytes},
          {"txErrors", link.tx_errors}};
}

json::object networkOf(WallTime at, const std::vector<LinkCounters>& links) {
  json::object shown{{"time", formatTime(at)}};
  if (links.empty()) return shown;
  for (const auto& [name, value] : linkOf(links.front())) shown[name] = value;
  json::array all;
  for (const auto& link : links) all.emplace_back(linkOf(link));
  shown["interfaces"] = std::move(all);
  return shown;
}

json::object containerOf(const SummaryInput& input, const PodFigures& pod, size_t index) {
  const ContainerStats& container = pod.stats.containers[index];
  json::object shown{{"name", container.name}};
  if (container.started_at) shown["startTime"] = formatTime(*container.started_at);
  const CgroupUsage& usage = container.usage;
  if (usage.cpu_nanoseconds)
    shown["cpu"] =
        cpuOf(usage.at, *usage.cpu_nanoseconds,
              index < pod.container_nanocores.size() ? pod.container_nanocores[index] : std::nullopt);
  if (usage.memory) shown["memory"] = memoryOf(usage.at, *usage.memory, usage.memory->limit);
  if (container.rootfs) shown["rootfs"] = usageOf(*container.rootfs, input.node.containerfs);
  if (container.logs) shown["logs"] = usageOf(*container.logs, input.node.nodefs);
  return shown;
}

json::object podOf(const SummaryInput& input, const PodFigures& pod) {
  const auto& metadata = pod.pod->metadata;
  json::object shown{
      {"podRef", {{"name", metadata.name}, {"namespace", metadata.namespace_}, {"uid", metadata.uid}}}};
  if (pod.pod->status.start_time) shown["startTime"] = formatTime(*pod.pod->status.start_time);
  json::array containers;
  for (size_t i = 0; i < pod.stats.containers.size(); ++i) {
    if (pod.stats.containers[i].running) containers.emplace_back(containerOf(input, pod, i));
  }
  shown["containers"] = std::move(containers);
  const CgroupUsage& usage = pod.stats.usage;
  if (usage.cpu_nanoseconds) shown["cpu"] = cpuOf(usage.at, *usage.cpu_nanoseconds, pod.nanocores);
  if (usage.memory) shown["memory"] = memoryOf(usage.at, *usage.memory, usage.memory->limit);
  if (pod.network) shown["network"] = networkOf(usage.at, {*pod.network});
  json::array volumes;
  for (const auto& volume : pod.stats.volumes) {
    json::object one = usageOf(volume.usage, input.node.nodefs);
    one["name"] = volume.name;
    volumes.emplace_back(std::move(one));
  }
  if (!volumes.empty()) shown["volume"] = std::move(volumes);
  if (pod.stats.files) shown["ephemeral-storage"] = usageOf(pod.stats.ephemeral(), input.node.nodefs);
  if (usage.pids) shown["process_stats"] = {{"process_count", *usage.pids}};
  return shown;
}

json::object nodeOf(const SummaryInput& input) {
  const NodeStats& node = input.node;
  json::object shown{{"nodeName", input.node_name}, {"startTime", formatTime(input.boot)}};
  if (input.node_cpu) shown["cpu"] = cpuOf(node.at, input.node_cpu->nanoseconds, input.node_cpu->nanocores);
  if (node.memory) shown["memory"] = memoryOf(node.at, *node.memory, node.meminfo.total);
  shown["network"] = networkOf(node.at, input.links);
  if (node.nodefs) shown["fs"] = fsOf(node.at, *node.nodefs);
  json::object runtime;
  if (node.imagefs) runtime["imageFs"] = fsOf(node.at, *node.imagefs);
  if (node.containerfs) runtime["containerFs"] = fsOf(node.at, *node.containerfs);
  shown["runtime"] = std::move(runtime);
  if (node.tasks)
    shown["rlimit"] = {
        {"time", formatTime(node.at)}, {"maxpid", node.tasks->max}, {"curproc", node.tasks->running}};
  shown["swap"] = {{"time", formatTime(node.at)},
                   {"swapAvailableBytes", bytesOf(node.meminfo.swap_free)},
                   {"swapUsageBytes", bytesOf(node.meminfo.swap_total) - bytesOf(node.meminfo.swap_free)}};
  return shown;
}

// ---- Prometheus ----

int64_t milliseconds(WallTime at) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count();
}

std::string head(const char* name, const char* type, const char* help) {
  return fmt::format("# HELP {} [STABLE] {}\n# TYPE {} {}\n", name, help, name, type);
}

double seconds(uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e9; }

std::string podLabels(const api::Pod& pod) {
  return fmt::format("namespace=\"{}\",pod=\"{}\"", labelText(pod.metadata.namespace_),
                     labelText(pod.metadata.name));
}

// One line for each running container for which `line` has something to say.
template <class Line>
std::string eachContainer(const SummaryInput& input, Line line) {
  std::string text;
  for (const auto& pod : input.pods) {
    for (const auto& container : pod.stats.containers) {
      if (!container.running) continue;
      text +=
          line("{container=\"" + labelText(container.name) + "\"," + podLabels(*pod.pod) + "}", container);
    }
  }
  return text;
}

template <class Line>
std::string eachPod(const SummaryInput& input, Line line) {
  std::string text;
  for (const auto& pod : input.pods) text += line("{" + podLabels(*pod.pod) + "}", pod.stats.usage);
  return text;
}

std::string cpuLine(const char* name, const std::string& labels, const CgroupUsage& usage) {
  if (!usage.cpu_nanoseconds) return "";
  return fmt::format("{}{} {} {}\n", name, labels, seconds(*usage.cpu_nanoseconds), milliseconds(usage.at));
}

std::string memoryLine(const char* name, const std::string& labels, const CgroupUsage& usage) {
  if (!usage.memory) return "";
  return fmt::format("{}{} {} {}\n", name, labels, bytesOf(usage.memory->working_set),
                     milliseconds(usage.at));
}

}  // namespace

std::string labelText(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

json::value buildSummary(const SummaryInput& input) {
  json::array pods;
  for (const auto& pod : input.pods) pods.emplace_back(podOf(input, pod));
  return {{"node", nodeOf(input)}, {"pods", std::move(pods)}};
}

std::string renderResourceMetrics(const SummaryInput& input) {
  std::string text = head("container_cpu_usage_seconds_total", "counter",
                          "Cumulative cpu time consumed by the container in core-seconds");
  text += eachContainer(input, [](const std::string& labels, const ContainerStats& container) {
    return cpuLine("container_cpu_usage_seconds_total", labels, container.usage);
  });
  text +=
      head("container_memory_working_set_bytes", "gauge", "Current working set of the container in bytes");
  text += eachContainer(input, [](const std::string& labels, const ContainerStats& container) {
    return memoryLine("container_memory_working_set_bytes", labels, container.usage);
  });
  text += head("container_start_time_seconds", "gauge",
               "Start time of the container since unix epoch in seconds");
  text += eachContainer(input, [](const std::string& labels, const ContainerStats& container) {
    if (!container.started_at) return std::string();
    const auto since = std::chrono::duration<double>(container.started_at->time_since_epoch()).count();
    return fmt::format("container_start_time_seconds{} {:.3f}\n", labels, since);
  });
  if (input.node_cpu) {
    text += head("node_cpu_usage_seconds_total", "counter",
                 "Cumulative cpu time consumed by the node in core-seconds");
    text += fmt::format("node_cpu_usage_seconds_total {} {}\n", seconds(input.node_cpu->nanoseconds),
                        milliseconds(input.node.at));
  }
  if (input.node.memory) {
    text += head("node_memory_working_set_bytes", "gauge", "Current working set of the node in bytes");
    text += fmt::format("node_memory_working_set_bytes {} {}\n", bytesOf(input.node.memory->working_set),
                        milliseconds(input.node.at));
  }
  text += head("pod_cpu_usage_seconds_total", "counter",
               "Cumulative cpu time consumed by the pod in core-seconds");
  text += eachPod(input, [](const std::string& labels, const CgroupUsage& usage) {
    return cpuLine("pod_cpu_usage_seconds_total", labels, usage);
  });
  text += head("pod_memory_working_set_bytes", "gauge", "Current working set of the pod in bytes");
  text += eachPod(input, [](const std::string& labels, const CgroupUsage& usage) {
    return memoryLine("pod_memory_working_set_bytes", labels, usage);
  });
  text += head("resource_scrape_error", "gauge",
               "1 if there was an error while getting container metrics, 0 otherwise");
  return text + "resource_scrape_error 0\n";
}

}  // namespace keelson::kubelet::stats
