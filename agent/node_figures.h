// What the node and its pods use, in the forms that clients of port 10250 read.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/json.h"
#include "cni/pod_network.h"
#include "kubelet/kubelet.h"
#include "kubelet/stats/observer.h"
#include "kubelet/stats/pod_source.h"
#include "kubelet/stats/summary.h"

namespace keelson::agent {

// Reads when asked; keeps the last processor times alone, for rates. Blocks on small files (with disks: on
// walks), so it is called on a lane. Any thread.
class NodeFigures {
 public:
  NodeFigures(const Clock& clock, const kubelet::Kubelet& kubelet, const cni::PodNetwork& network,
              kubelet::stats::Observer& observer, kubelet::stats::SourcePaths paths, std::string node_name);

  // /stats/summary: stats/v1alpha1 Summary.
  Result<json::value> summary(bool only_cpu_and_memory);
  // /metrics/resource, in the text format of Prometheus.
  std::string resourceMetrics();
  // /metrics: the kubelet's own.
  std::string kubeletMetrics() const;

 private:
  Result<kubelet::stats::SummaryInput> observe(kubelet::stats::Detail detail);
  void addRates(kubelet::stats::SummaryInput& input);

  const Clock& clock_;
  const kubelet::Kubelet& kubelet_;
  const cni::PodNetwork& network_;
  kubelet::stats::Observer& observer_;
  const kubelet::stats::SourcePaths paths_;
  const std::string node_name_;
  const WallTime started_;
  struct CpuSample {
    uint64_t nanoseconds = 0;
    WallTime at;
    std::optional<uint64_t> nanocores;  // of the interval before
  };
  Guarded<std::map<std::string, CpuSample>> cpu_;
};

}  // namespace keelson::agent
