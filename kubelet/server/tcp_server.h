// A plain HTTP/1.1 server on TCP for small answers (healthz).
#pragma once

#include <memory>
#include <vector>

#include "base/executor.h"
#include "base/ip.h"
#include "base/result.h"
#include "kubelet/server/http.h"
#include "kubelet/server/limits.h"

namespace keelson::kubelet::server {

// For small public answers.
inline ServerLimits publicLimits() {
  ServerLimits limits;
  limits.header_bytes = 16 * 1024;
  limits.body_bytes = 4 * 1024;  // requests here have none to speak of
  limits.connections = 256;
  limits.idle_time = std::chrono::seconds(90);  // as Go's server of kubelet
  limits.streams = false;
  return limits;
}

// Serves `routes` on the loop to everybody who can reach `address`: no route may change or tell anything that
// is not public. Handlers answer with a Reply; streams and upgrades are refused (500). Port 0 takes a free
// one. kAlreadyExists when the port is taken. Home: loop. Destruction closes the listener and every
// connection.
class TcpServer {
 public:
  static Result<std::unique_ptr<TcpServer>> listen(Loop& loop, const IpAddress& address, uint16_t port,
                                                   std::vector<Route> routes,
                                                   const ServerLimits& limits = publicLimits());
  virtual ~TcpServer() = default;
  virtual uint16_t port() const = 0;
};

}  // namespace keelson::kubelet::server
