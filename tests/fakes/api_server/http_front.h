// The stand-in's HTTP: TLS, who asks, watches as chunks, and faults on demand.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "tests/fakes/api_server/api_server.h"

namespace keelson::fakes {

// What goes wrong with answers; by the library, or POST /fake/chaos as a member of system:masters with any of
//   {"cut": true, "refuse": true|false, "pause": true|false, "delayMs": 50, "failNext": 3, "failCode": 500,
//    "failPath": "/status", "drop": 1, "duplicate": 1, "reorder": 1, "compact": true, "skipVersions": 1000}
struct HttpChaos {
  bool refuse = false;    // new connections are closed at once
  bool pause = false;     // requests wait, watches are silent
  Duration delay{0};      // of each answer
  int fail_next = 0;      // so many requests fail ...
  int fail_code = 500;    // ... with this (429 has Retry-After: 1)
  std::string fail_path;  // ... if their path has this in it
};

struct FrontSettings {
  std::string address = "127.0.0.1";
  uint16_t port = 0;                          // 0: any
  std::vector<std::string> names, addresses;  // of the certificate, besides localhost and 127.0.0.1
  Duration bookmark_period = std::chrono::minutes(1);
};

// Serves one ApiServer over HTTP/1.1 with TLS. A client certificate of our CA, or a bearer token, says who
// asks; who shows neither may read /version and the health paths. Home: loop.
class HttpFront {
 public:
  static Result<std::unique_ptr<HttpFront>> open(Loop& loop, const Clock& clock, ApiServer& server,
                                                 FrontSettings settings);
  ~HttpFront();  // closes everything
  uint16_t port() const;
  HttpChaos& chaos();
  void cutConnections();
  void resume();  // after pause: what waited is answered
  size_t connections() const;

  struct Impl;  // http_session.h

 private:
  explicit HttpFront(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace keelson::fakes
