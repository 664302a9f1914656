#include "proxy/health.h"

#include "base/json.h"

namespace keelson::proxy {
namespace {

const char* familyText(IpFamily family) { return family == IpFamily::kV4 ? "IPv4" : "IPv6"; }

HttpAnswer answer(const ProxyStats& stats, const std::vector<IpFamily>& families,
                  std::optional<bool> node_eligible, WallTime now, Duration timeout) {
  const bool healthy = isHealthy(stats, now, timeout);
  const bool good = healthy && node_eligible.value_or(true);
  const std::string updated = formatTimeNano(stats.updated.value_or(WallTime{}));
  json::object status;
  if (stats.updated)
    for (const IpFamily family : families)
      status[familyText(family)] = json::object{{"lastUpdated", updated}, {"healthy", healthy}};
  json::object body;
  // As kube-proxy: recent whenever all is well, as its servers' users read it so.
  body["lastUpdated"] = good ? formatTimeNano(now) : updated;
  body["currentTime"] = formatTimeNano(now);
  if (node_eligible) body["nodeEligible"] = *node_eligible;
  body["healthy"] = healthy;
  body["status"] = std::move(status);
  return {
      good ? 200 : 503, "application/json", json::serialize(body), {{"X-Content-Type-Options", "nosniff"}}};
}

// Prometheus' text format.
class Metrics {
 public:
  void head(const std::string& name, const char* type, const char* help) {
    name_ = name;
    text_ += fmt::format("# HELP {} [ALPHA] {}\n# TYPE {} {}\n", name, help, name, type);
  }
  template <class Number>
  void value(Number number, const std::string& labels = "", const char* suffix = "") {
    text_ += fmt::format("{}{}{} {}\n", name_, suffix, labels.empty() ? "" : "{" + labels + "}", number);
  }
  void histogram(const Histogram& histogram, const std::string& labels) {
    const std::string more = labels.empty() ? "" : labels + ",";
    uint64_t below = 0;
    for (size_t i = 0; i < histogram.bounds.size(); ++i) {
      below += histogram.counts[i];
      value(below, fmt::format("{}le=\"{}\"", more, histogram.bounds[i]), "_bucket");
    }
    value(histogram.count(), more + "le=\"+Inf\"", "_bucket");
    value(histogram.sum, labels, "_sum");
    value(histogram.count(), labels, "_count");
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_, name_;
};

double seconds(const std::optional<WallTime>& time) {
  return time ? std::chrono::duration<double>(time->time_since_epoch()).count() : 0;
}

// A sync makes all families, so that each has the same figures.
void addSyncs(Metrics& out, const ProxyStats& stats, const std::vector<std::string>& labels) {
  const auto each = [&](const char* name, const Histogram& histogram, const char* help) {
    out.head(fmt::format("kubeproxy_{}", name), "histogram", help);
    for (const auto& label : labels) out.histogram(histogram, label);
  };
  each("sync_proxy_rules_duration_seconds", stats.sync_seconds, "SyncProxyRules latency in seconds");
  each("sync_full_proxy_rules_duration_seconds", stats.full_sync_seconds,
       "SyncProxyRules latency in seconds for full resyncs");
  each("sync_partial_proxy_rules_duration_seconds", stats.partial_sync_seconds,
       "SyncProxyRules latency in seconds for partial resyncs");
  each("network_programming_duration_seconds", stats.programming_seconds,
       "In Cluster Network Programming Latency in seconds");
  each("conntrack_reconciler_sync_duration_seconds", stats.flow_seconds,
       "ReconcileConntrackFlowsLatency latency in seconds");
  out.head("kubeproxy_sync_proxy_rules_last_timestamp_seconds", "gauge",
           "The last time proxy rules were successfully synced");
  for (const auto& label : labels) out.value(seconds(stats.updated), label);
  out.head("kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds", "gauge",
           "The last time a sync of proxy rules was queued");
  for (const auto& label : labels) out.value(seconds(stats.queued), label);
}

void addChanges(Metrics& out, const ProxyStats& stats) {
  const auto one = [&](const char* name, const char* type, uint64_t number, const char* help) {
    out.head(fmt::format("kubeproxy_sync_proxy_rules_{}", name), type, help);
    out.value(number);
  };
  one("endpoint_changes_pending", "gauge", stats.slices_pending, "Pending proxy rules Endpoint changes");
  one("endpoint_changes_total", "counter", stats.slice_changes, "Cumulative proxy rules Endpoint changes");
  one("service_changes_pending", "gauge", stats.services_pending, "Pending proxy rules Service changes");
  one("service_changes_total", "counter", stats.service_changes, "Cumulative proxy rules Service changes");
}

void addBackend(Metrics& out, const ProxyStats& stats, ProxyMode mode,
                const std::vector<std::string>& labels) {
  const auto one = [&](const char* name, const char* type, uint64_t number, const char* help) {
    out.head(fmt::format("kubeproxy_sync_proxy_rules_{}", name), type, help);
    for (const auto& label : labels) out.value(number, label);
  };
  if (mode == ProxyMode::kNftables)
    return one("nftables_sync_failures_total", "counter", stats.failures,
               "Cumulative proxy nftables sync failures");
  one("iptables_restore_failures_total", "counter", stats.failures,
      "Cumulative proxy iptables restore failures");
  one("iptables_last", "gauge", stats.last_rules_written,
      "Number of iptables rules written by kube-proxy in last sync");
}

}  // namespace

bool isHealthy(const ProxyStats& stats, WallTime now, Duration timeout) {
  // Before the first sync it starts up.
  return !stats.updated || !stats.waiting || now - *stats.waiting < timeout;
}

HttpAnswer healthzAnswer(const ProxyStats& stats, const std::vector<IpFamily>& families, bool node_eligible,
                         WallTime now, Duration timeout) {
  return answer(stats, families, node_eligible, now, timeout);
}

HttpAnswer livezAnswer(const ProxyStats& stats, const std::vector<IpFamily>& families, WallTime now,
                       Duration timeout) {
  return answer(stats, families, {}, now, timeout);
}

HttpAnswer serviceHealthAnswer(const std::string& service, const HealthPort& health, bool proxy_healthy) {
  const size_t slash = service.find('/');
  json::object body;
  body["service"] =
      json::object{{"namespace", service.substr(0, slash)}, {"name", service.substr(slash + 1)}};
  body["localEndpoints"] = health.local_endpoints;
  body["serviceProxyHealthy"] = proxy_healthy;
  return {health.local_endpoints > 0 && proxy_healthy ? 200 : 503,
          "application/json",
          json::serialize(body),
          {{"X-Content-Type-Options", "nosniff"},
           {"X-Load-Balancing-Endpoint-Weight", std::to_string(health.local_endpoints)}}};
}

HealthPortChange planHealthPorts(const std::map<std::string, uint16_t>& running, const HealthPorts& want) {
  HealthPortChange change;
  for (const auto& [service, port] : running) {
    const auto found = want.find(service);
    if (found == want.end() || found->second.port != port) change.close.push_back(service);
  }
  for (const auto& [service, health] : want) {
    const auto found = running.find(service);
    if (found == running.end() || found->second != health.port)
      change.open.emplace_back(service, health.port);
  }
  return change;
}

const char* modeText(ProxyMode mode) { return mode == ProxyMode::kNftables ? "nftables" : "iptables"; }

std::string renderProxyMetrics(const ProxyStats& stats, const HealthCounts& counts, ProxyMode mode,
                               const std::vector<IpFamily>& families) {
  std::vector<std::string> labels;
  for (const IpFamily family : families)
    labels.push_back(fmt::format("ip_family=\"{}\"", familyText(family)));
  Metrics out;
  addSyncs(out, stats, labels);
  addChanges(out, stats);
  out.head("kubeproxy_sync_proxy_rules_no_local_endpoints_total", "gauge",
           "Number of services with a Local traffic policy and no endpoints");
  for (const auto& label : labels) {
    out.value(stats.no_local_internal, fmt::format("{},traffic_policy=\"internal\"", label));
    out.value(stats.no_local_external, fmt::format("{},traffic_policy=\"external\"", label));
  }
  addBackend(out, stats, mode, labels);
  out.head("kubeproxy_conntrack_reconciler_deleted_entries_total", "counter",
           "Cumulative conntrack flows deleted by conntrack reconciler");
  for (const auto& label : labels) out.value(stats.forgotten_flows, label);
  for (const auto& [name, codes] :
       {std::pair{"healthz", &counts.healthz}, std::pair{"livez", &counts.livez}}) {
    out.head(fmt::format("kubeproxy_proxy_{}_total", name), "counter",
             fmt::format("Cumulative proxy {} HTTP status", name).c_str());
    for (const auto& [code, number] : *codes) out.value(number, fmt::format("code=\"{}\"", code));
  }
  return out.take();
}

}  // namespace keelson::proxy
