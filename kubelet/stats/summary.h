// Figures of the node and its pods as clients read them. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/pod.h"
#include "base/json.h"
#include "kubelet/stats/stats.h"

namespace keelson::kubelet::stats {

struct LinkCounters {
  std::string name;
  uint64_t rx_bytes = 0, rx_errors = 0, tx_bytes = 0, tx_errors = 0;
};

// The processor time since the start, and what of it fell into the last interval.
struct Cpu {
  uint64_t nanoseconds = 0;
  std::optional<uint64_t> nanocores;
};

struct PodFigures {
  api::PodPtr pod;
  PodStats stats;
  std::optional<LinkCounters> network;  // as the pod sees it; absent on the host's network
  std::optional<uint64_t> nanocores;
  std::vector<std::optional<uint64_t>> container_nanocores;  // as stats.containers
};

struct SummaryInput {
  std::string node_name;
  WallTime boot;
  NodeStats node;
  std::optional<Cpu> node_cpu;
  std::vector<LinkCounters> links;  // the node's; the first is the default one
  std::vector<PodFigures> pods;
};

// Summary of stats/v1alpha1: /stats/summary.
// https://kubernetes.io/docs/reference/instrumentation/node-metrics/
json::value buildSummary(const SummaryInput& input);

// /metrics/resource, in the text format of Prometheus 0.0.4: what metrics-server scrapes.
// https://kubernetes.io/docs/reference/instrumentation/metrics/
std::string renderResourceMetrics(const SummaryInput& input);

// A label's value with \, " and line ends escaped.
std::string labelText(const std::string& text);

}  // namespace keelson::kubelet::stats
