// The ports of the proxy: health on 10256, metrics on 10249, and each service's healthCheckNodePort.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/ip.h"
#include "base/result.h"
#include "kubelet/server/tcp_server.h"
#include "proxy/health.h"

namespace keelson::agent {

struct ServiceServerSettings {
  IpAddress healthz_address;                     // 0.0.0.0
  std::optional<uint16_t> healthz_port = 10256;  // absent: off; 0: any
  IpAddress metrics_address = IpAddress::parse("127.0.0.1").value();
  std::optional<uint16_t> metrics_port = 10249;
  IpAddress health_check_address;  // 0.0.0.0; of the healthCheckNodePorts
  proxy::ProxyMode mode = proxy::ProxyMode::kNftables;
  std::vector<IpFamily> families{IpFamily::kV4};
};

// Home: loop. Destruction closes all of them.
class ServiceServers {
 public:
  // `stats` are asked for at each question.
  ServiceServers(Loop& loop, Clock& clock, ServiceServerSettings settings,
                 std::function<proxy::ProxyStats()> stats);
  ~ServiceServers();

  // A port that is taken is an error of its own; the others serve.
  ErrorList start();
  // After each sync: opens and closes the services' ports. One that cannot be opened is tried again next
  // time.
  ErrorList update(const proxy::ProxyStats& stats);
  // False while the node is being deleted or is tainted so that load balancers leave it.
  void setNodeEligible(bool eligible);

  // As listened on; 0: not.
  uint16_t healthzPort() const;
  uint16_t metricsPort() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
  std::unique_ptr<kubelet::server::TcpServer> healthz_, metrics_;
  struct Open {
    uint16_t port = 0;
    std::unique_ptr<kubelet::server::TcpServer> server;
  };
  std::map<std::string, Open> services_;
};

}  // namespace keelson::agent
