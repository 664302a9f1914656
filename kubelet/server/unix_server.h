// The HTTP/1.1 server on a unix socket.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "kubelet/server/http.h"
#include "kubelet/server/limits.h"

namespace keelson::kubelet::server {

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
