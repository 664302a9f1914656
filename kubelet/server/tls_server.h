// The HTTPS server of the node.
#pragma once

#include <memory>
#include <vector>

#include "base/executor.h"
#include "base/ip.h"
#include "base/result.h"
#include "kubelet/server/guard.h"
#include "kubelet/server/http.h"
#include "kubelet/server/limits.h"
#include "kubelet/server/tls_context.h"

namespace keelson::kubelet::server {

// Serves `routes` on the loop to whom `guard` lets in. Port 0 takes a free one. kAlreadyExists when the port
// is taken. Home: loop. Destruction closes the listener and every connection.
class TlsServer {
 public:
  static Result<std::unique_ptr<TlsServer>> listen(Loop& loop, const IpAddress& address, uint16_t port,
                                                   std::vector<Route> routes, std::shared_ptr<Guard> guard,
                                                   const ServerLimits& limits);
  virtual ~TlsServer() = default;

  // For connections from now on. Before the first one, clients are turned away.
  virtual void setContext(TlsContext context) = 0;
  virtual uint16_t port() const = 0;
};

}  // namespace keelson::kubelet::server
