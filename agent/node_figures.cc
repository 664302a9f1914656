#include "agent/node_figures.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <sstream>

#include "base/fs.h"

namespace keelson::agent {
namespace {

namespace stats = kubelet::stats;

constexpr Duration kReadTime = std::chrono::seconds(30);
constexpr Duration kMinInterval = std::chrono::seconds(1);  // for a rate
constexpr size_t kMaxSmallFile = 64 * 1024;
constexpr size_t kMaxLinks = 4096;
constexpr char kLinks[] = "/sys/class/net/";

uint64_t readNumber(const std::string& path) {
  const auto text = readFile(path, 64);
  uint64_t value = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), value);
  return value;
}

stats::LinkCounters readLink(const std::string& name) {
  const std::string folder = kLinks + name + "/statistics/";
  return {name, readNumber(folder + "rx_bytes"), readNumber(folder + "rx_errors"),
          readNumber(folder + "tx_bytes"), readNumber(folder + "tx_errors")};
}

// The link of the default route first (proc_net(5): destination 00000000), then the others but loopback,
// bridges' ports and what is made for pods.
std::vector<stats::LinkCounters> readNodeLinks() {
  std::vector<stats::LinkCounters> links;
  const auto routes = readFile("/proc/net/route", kMaxSmallFile);
  std::istringstream lines(routes ? *routes : "");
  std::string line;
  while (std::getline(lines, line) && links.size() < kMaxLinks) {
    std::istringstream fields(line);
    std::string name, destination;
    fields >> name >> destination;
    const bool known =
        std::any_of(links.begin(), links.end(), [&](const auto& link) { return link.name == name; });
    if (name.empty() || name == "Iface" || known) continue;
    links.insert(destination == "00000000" ? links.begin() : links.end(), readLink(name));
  }
  return links;
}

// user, nice, system, irq, softirq, steal of the first line of proc_stat(5), in ticks. iowait is idle time.
std::optional<uint64_t> readNodeCpu() {
  const auto text = readFile("/proc/stat", size_t{4} << 20);
  if (!text) return std::nullopt;
  std::istringstream fields(text->substr(0, text->find('\n')));
  std::string name;
  uint64_t user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
  if (!(fields >> name >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal))
    return std::nullopt;
  const auto ticks = static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  return (user + nice + system + irq + softirq + steal) * (1'000'000'000 / ticks);
}

WallTime bootTime(const Clock& clock) {
  const auto text = readFile("/proc/uptime", 256);
  double seconds = 0;
  if (text) std::istringstream(*text) >> seconds;
  return clock.wall() - std::chrono::seconds(static_cast<int64_t>(seconds));
}

// utime and stime of proc_pid_stat(5), fields 14 and 15; resident pages are field 24.
struct OwnUse {
  uint64_t cpu_ticks = 0, resident_bytes = 0;
};
OwnUse readOwnUse() {
  const auto text = readFile("/proc/self/stat", 4096);
  const size_t name_end = text ? text->rfind(')') : std::string::npos;
  if (name_end == std::string::npos) return {};
  std::istringstream fields(text->substr(name_end + 2));
  std::vector<std::string> all(std::istream_iterator<std::string>(fields), {});
  if (all.size() < 22) return {};
  return {std::strtoull(all[11].c_str(), nullptr, 10) + std::strtoull(all[12].c_str(), nullptr, 10),
          std::strtoull(all[21].c_str(), nullptr, 10) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE))};
}

std::string metric(const char* name, const char* type, const char* help, const std::string& samples) {
  return fmt::format("# HELP {} {}\n# TYPE {} {}\n{}", name, help, name, type, samples);
}

}  // namespace

NodeFigures::NodeFigures(const Clock& clock, const kubelet::Kubelet& kubelet, const cni::PodNetwork& network,
                         stats::Observer& observer, stats::SourcePaths paths, std::string node_name)
    : clock_(clock),
      kubelet_(kubelet),
      network_(network),
      observer_(observer),
      paths_(std::move(paths)),
      node_name_(std::move(node_name)),
      started_(clock.wall()) {}

Result<stats::SummaryInput> NodeFigures::observe(stats::Detail detail) {
  Stop stop(kReadTime);
  stats::SummaryInput input;
  input.node_name = node_name_;
  input.boot = bootTime(clock_);
  input.node = TRY(observer_.node(stop));
  if (const auto cpu = readNodeCpu()) input.node_cpu = stats::Cpu{*cpu, std::nullopt};
  std::map<std::string, std::string> links;
  for (const auto& entry : network_.list()) links[entry.uid.str()] = entry.host_link;
  for (const auto& view : kubelet_.pods()) {
    const auto& phase = view->pod->status.phase;
    if (phase == "Succeeded" || phase == "Failed" || view->released) continue;
    stats::PodFigures pod{
        view->pod, observer_.pod(stats::buildPodSource(*view->pod, paths_), detail, stop), {}, {}, {}};
    if (!pod.stats.usage.memory && !pod.stats.usage.cpu_nanoseconds) continue;  // not running yet
    if (const auto link = links.find(view->pod->metadata.uid);
        detail == stats::Detail::kDisk && link != links.end()) {
      // What the host's end sends is what the pod receives.
      const auto host = readLink(link->second);
      pod.network = stats::LinkCounters{"eth0", host.tx_bytes, host.tx_errors, host.rx_bytes, host.rx_errors};
    }
    input.pods.push_back(std::move(pod));
  }
  return input;
}

void NodeFigures::addRates(stats::SummaryInput& input) {
  cpu_.with([&](std::map<std::string, CpuSample>& before) {
    std::map<std::string, CpuSample> now;
    const auto rate = [&](const std::string& key, uint64_t nanoseconds, WallTime at) {
      const auto found = before.find(key);
      CpuSample sample{nanoseconds, at, std::nullopt};
      if (found != before.end() && at - found->second.at < kMinInterval) {
        sample = found->second;
      } else if (found != before.end() && nanoseconds >= found->second.nanoseconds) {
        const double interval = std::chrono::duration<double>(at - found->second.at).count();
        sample.nanocores =
            static_cast<uint64_t>(static_cast<double>(nanoseconds - found->second.nanoseconds) / interval);
      }
      now[key] = sample;
      return sample.nanocores;
    };
    if (input.node_cpu) input.node_cpu->nanocores = rate("", input.node_cpu->nanoseconds, input.node.at);
    for (auto& pod : input.pods) {
      const std::string uid = pod.stats.uid.str();
      if (pod.stats.usage.cpu_nanoseconds)
        pod.nanocores = rate(uid, *pod.stats.usage.cpu_nanoseconds, pod.stats.usage.at);
      for (const auto& container : pod.stats.containers) {
        const auto& usage = container.usage;
        pod.container_nanocores.push_back(
            usage.cpu_nanoseconds ? rate(uid + "/" + container.id.str(), *usage.cpu_nanoseconds, usage.at)
                                  : std::nullopt);
      }
    }
    before = std::move(now);
  });
}

Result<json::value> NodeFigures::summary(bool only_cpu_and_memory) {
  auto input = TRY(observe(only_cpu_and_memory ? stats::Detail::kCgroups : stats::Detail::kDisk));
  if (!only_cpu_and_memory) input.links = readNodeLinks();
  addRates(input);
  return stats::buildSummary(input);
}

std::string NodeFigures::resourceMetrics() {
  const auto input = observe(stats::Detail::kCgroups);
  if (input) return stats::renderResourceMetrics(*input);
  return "# TYPE resource_scrape_error gauge\nresource_scrape_error 1\n";
}

std::string NodeFigures::kubeletMetrics() const {
  size_t pods = 0, running = 0, waiting = 0, exited = 0;
  for (const auto& view : kubelet_.pods()) {
    size_t runs = 0;
    for (const auto& status : view->pod->status.container_statuses) {
      if (status.state.running) ++runs;
      if (status.state.terminated) ++exited;
      if (status.state.waiting) ++waiting;
    }
    running += runs;
    if (runs > 0) ++pods;
  }
  const OwnUse own = readOwnUse();
  const double ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  std::string text =
      metric("kubelet_node_name", "gauge", "[ALPHA] The node's name. The count is always 1.",
             fmt::format("kubelet_node_name{{node=\"{}\"}} 1\n", stats::labelText(node_name_)));
  text += metric("kubelet_running_pods", "gauge", "[BETA] Number of pods that have a running container",
                 fmt::format("kubelet_running_pods {}\n", pods));
  text += metric("kubelet_running_containers", "gauge", "[BETA] Number of containers by their state",
                 fmt::format("kubelet_running_containers{{container_state=\"exited\"}} {}\n"
                             "kubelet_running_containers{{container_state=\"running\"}} {}\n"
                             "kubelet_running_containers{{container_state=\"waiting\"}} {}\n",
                             exited, running, waiting));
  text += metric("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.",
                 fmt::format("process_cpu_seconds_total {}\n", static_cast<double>(own.cpu_ticks) / ticks));
  text += metric("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
                 fmt::format("process_resident_memory_bytes {}\n", own.resident_bytes));
  text +=
      metric("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.",
             fmt::format("process_start_time_seconds {:.3f}\n",
                         std::chrono::duration<double>(started_.time_since_epoch()).count()));
  return text;
}

}  // namespace keelson::agent
