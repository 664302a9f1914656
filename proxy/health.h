// What the proxy answers over HTTP: health, mode, metrics. Pure values; the agent puts them into its servers.
// Ports as kube-proxy's: 10256 healthz and livez, 10249 metrics and proxyMode.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "proxy/stats.h"

namespace keelson::proxy {

struct HttpAnswer {
  int status = 200;
  std::string type = "application/json";
  std::string body;
  std::map<std::string, std::string> headers;  // more of them
};

// False when the node is being deleted or an autoscaler is about to (kToBeDeletedTaint): load balancers then
// send nothing new.
inline constexpr char kToBeDeletedTaint[] = "ToBeDeletedByClusterAutoscaler";

// kube-proxy's: a change that waits longer than this is a proxy that does not work. Twice its syncPeriod.
constexpr Duration kHealthTimeout = std::chrono::seconds(60);

// A change has not waited too long.
bool isHealthy(const ProxyStats& stats, WallTime now, Duration timeout = kHealthTimeout);
// GET /healthz: healthy, and the node may get traffic.
HttpAnswer healthzAnswer(const ProxyStats& stats, const std::vector<IpFamily>& families, bool node_eligible,
                         WallTime now, Duration timeout = kHealthTimeout);
// GET /livez: the same whatever the node.
HttpAnswer livezAnswer(const ProxyStats& stats, const std::vector<IpFamily>& families, WallTime now,
                       Duration timeout = kHealthTimeout);
// Any path of a service's healthCheckNodePort; `service` is "namespace/name".
HttpAnswer serviceHealthAnswer(const std::string& service, const HealthPort& health, bool proxy_healthy);

// The health check servers to open and to close so that those of `want` run. A port that changed is both.
struct HealthPortChange {
  std::vector<std::string> close;  // services
  std::vector<std::pair<std::string, uint16_t>> open;
};
HealthPortChange planHealthPorts(const std::map<std::string, uint16_t>& running, const HealthPorts& want);

enum class ProxyMode { kNftables, kIptables };
const char* modeText(ProxyMode mode);  // the body of GET /proxyMode

// How often each status was answered, by kube-proxy's label `code`.
struct HealthCounts {
  std::map<int, uint64_t> healthz, livez;
};
// GET /metrics, under kube-proxy's names.
std::string renderProxyMetrics(const ProxyStats& stats, const HealthCounts& counts, ProxyMode mode,
                               const std::vector<IpFamily>& families);

}  // namespace keelson::proxy
