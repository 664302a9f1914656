// Where a probe or a hook goes, worked out from the pod's spec. All pure.
// https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/pod.h"
#include "base/result.h"

namespace keelson::probes {

struct HttpTarget {
  bool tls = false;
  std::string host;  // an address or a name
  uint16_t port = 0;
  std::string path;         // with its query, begins with "/"
  std::string host_header;  // "10.244.0.5:80", or what the spec's Host header says
  std::vector<std::pair<std::string, std::string>> headers;

  std::string url() const;  // for messages
};

struct TcpTarget {
  std::string host;
  uint16_t port = 0;
};

struct GrpcTarget {
  std::string host;
  uint16_t port = 0;
  std::string service;
};

// `agent` is the User-Agent without its version: "kube-probe", "kube-lifecycle". The host is that of the
// action or `pod_ip`. kInvalidArgument names the port that is unknown or out of range.
Result<HttpTarget> httpTarget(const api::HttpGetAction& action, const api::Container& container,
                              const std::string& pod_ip, std::string_view agent);
Result<TcpTarget> tcpTarget(const api::TcpSocketAction& action, const api::Container& container,
                            const std::string& pod_ip);
Result<GrpcTarget> grpcTarget(const api::GrpcAction& action, const std::string& pod_ip);

// "10.0.0.1:80", "[::1]:80".
std::string joinHostPort(std::string_view host, uint16_t port);

// Where a redirect leads: the same host (scheme, path and port may be others), or somewhere else.
struct Redirect {
  bool same_host = false;
  HttpTarget target;
};
// `location` is absolute, or relative to `from` (RFC 3986, 5.2). kInvalidArgument if it is neither.
Result<Redirect> followRedirect(const HttpTarget& from, std::string_view location);

}  // namespace keelson::probes
