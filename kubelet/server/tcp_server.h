// A plain HTTP/1.1 server on TCP for small answers (healthz).
#pragma once

#include <memory>
#include <vector>

#include "base/executor.h"
#include "base/ip.h"
#include "base/result.h"
#include "kubelet/server/http.h"

namespace keelson::kubelet::server {

struct TcpLimits {
  size_t header_bytes = 16 * 1024;
  size_t body_bytes = 4 * 1024;                      // requests here have none to speak of
  size_t connections = 256;                          // further ones are closed at once
  Duration request_time = std::chrono::seconds(10);  // head and body, from the first byte awaited
  Duration idle_time = std::chrono::seconds(90);     // between requests, as Go's server of kubelet
  Duration answer_time = std::chrono::seconds(30);   // to take the answer
};

// Serves `routes` on the loop to everybody who can reach `address`: no route may change or tell anything that
// is not public. Handlers answer with a Reply; streams and upgrades are refused (500). Port 0 takes a free
// one. kAlreadyExists when the port is taken. Home: loop. Destruction closes the listener and every
// connection.
class TcpServer {
 public:
  static Result<std::unique_ptr<TcpServer>> listen(Loop& loop, const IpAddress& address, uint16_t port,
                                                   std::vector<Route> routes, const TcpLimits& limits = {});
  virtual ~TcpServer() = default;
  virtual uint16_t port() const = 0;
};

}  // namespace keelson::kubelet::server
