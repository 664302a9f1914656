// The ApiClient over HTTP/2 and HTTP/1.1: libcurl multi on the loop.
#pragma once

#include <memory>

#include "api/client/api_client.h"
#include "api/client/kubeconfig.h"
#include "base/executor.h"

namespace keelson::api::client {

struct ClientSettings {
  Connection connection;
  std::string user_agent;          // "keelson/v1.36.0 (linux/amd64)"
  double queries_per_second = 50;  // kubeAPIQPS
  int burst = 100;                 // kubeAPIBurst
  size_t max_in_flight = 64;       // normal requests at once; streams are not counted
  size_t max_queued = 4096;        // more are refused with kResourceExhausted
};

// `lane` resolves names, reads token files and runs exec plugins: nothing of that blocks the loop. Client
// certificates and the CA are read again when their files change (rotation): new connections use them, and
// idle ones are closed. kInvalidArgument if the connection cannot work (an unreadable CA, a key that does not
// match its certificate). Reads those files at once, so call it before the loop runs or for small files only.
// The lane is joined before the loop is destroyed; the client may be destroyed at any time on the loop, also
// with calls alive and from inside a callback: nothing is called after that.
Result<std::unique_ptr<ApiClient>> makeHttpApiClient(Loop& loop, Lane& lane, ClientSettings settings);

}  // namespace keelson::api::client
