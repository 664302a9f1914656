#include "kubelet/worker_context.h"

#include <unistd.h>

#include <climits>

#include "kubelet/restart.h"

namespace keelson::kubelet {
namespace {

std::vector<std::string> texts(const std::vector<IpAddress>& addresses) {
  std::vector<std::string> out;
  for (const auto& address : addresses) out.push_back(address.str());
  return out;
}

std::string ownHostname(const std::string& fallback) {
  char name[HOST_NAME_MAX + 1] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return fallback;
  return name;
}

}  // namespace

WorkerContext::WorkerContext(const Options& options_given, const Dependencies& dependencies)
    : options(options_given),
      deps(dependencies),
      logs(options_given.pod_logs_dir, options_given.container_logs_dir),
      policy{restartBackoff(options_given.max_container_restart_period), BackoffPolicy{}},
      host_ips(texts(options_given.node_ips)),
      node_hostname(ownHostname(options_given.node_name)),
      started_at(dependencies.clock.wall()),
      node_labels(options_given.node_labels) {}

NodeFacts WorkerContext::nodeFacts() const {
  return {options.node_name, node_labels.copy(), options.node_cpu, options.node_memory, options.max_pods};
}

}  // namespace keelson::kubelet
