// The HTTP/1.1 server on a unix socket.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "kubelet/server/http.h"

namespace keelson::kubelet::server {

struct ServerLimits {
  size_t header_bytes = 64 * 1024;
  size_t body_bytes = size_t{1} << 20;     // of bodies that are not streamed
  size_t message_bytes = size_t{1} << 20;  // one WebSocket message
  size_t connections = 4096;               // further ones are closed at once
  Duration header_time = std::chrono::seconds(10);
  Duration idle_time = std::chrono::minutes(10);  // between requests, and for a client that takes nothing
};

// Listens at `path` (mode 0600; a stale socket of an earlier life is replaced, a live one is
// kAlreadyExists) and serves `routes` on the loop to peers with uid 0 (SO_PEERCRED, unix(7)). Home: loop.
// Destruction closes the listener and every connection.
class UnixServer {
 public:
  static Result<std::unique_ptr<UnixServer>> listen(Loop& loop, const std::string& path,
                                                    std::vector<Route> routes,
                                                    const ServerLimits& limits = {});
  virtual ~UnixServer() = default;
};

}  // namespace keelson::kubelet::server
