// How a registry wants to be asked: its challenge, and the token that answers it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/http.h"
#include "base/result.h"
#include "runtime/images/image_service.h"
#include "runtime/images/registry_config.h"
#include "runtime/images/url.h"

namespace keelson::runtime::images {

// One challenge of a WWW-Authenticate header (RFC 9110, 11.6.1).
struct Challenge {
  std::string scheme;                             // lower case: "basic", "bearer"
  std::map<std::string, std::string> parameters;  // names in lower case
};

// All challenges of the header; what cannot be read is left out.
std::vector<Challenge> parseChallenges(std::string_view header);

// One registry or mirror: its address and the configuration that also speaks for the hosts it sends us to.
struct Endpoint {
  Url base;  // target "/"
  RegistryHost options;
  const RegistryOptions* all = nullptr;
  // To this host if it is plain itself, to hosts the configuration allows it for, and to loopback.
  bool allowsPlainHttp(const Url& url) const;
};

// The endpoint for a host or mirror as it is written. Plain http where the configuration says so, the
// mirror is written so, or the host is loopback and has no CA file. kInvalidArgument: not a host.
Result<Endpoint> endpointFor(const std::string& written, const RegistryOptions& options);

// A request with the TLS settings of the host that `url` names.
HttpRequest makeRequest(const Endpoint& endpoint, const Url& url, std::string method);

std::string basicAuthorization(const RegistryCredentials& credentials);

// The value of the Authorization header that answers `header` of a 401. `scope` is used when the challenge
// names none. Speaks to the token server: the anonymous, the basic and the refresh-token way of
// https://distribution.github.io/distribution/spec/auth/token/ and .../spec/auth/oauth/
// kPermissionDenied: credentials are missing or wrong.
Result<std::string> answerChallenge(const std::string& header, const Endpoint& endpoint,
                                    const std::string& scope,
                                    const std::optional<RegistryCredentials>& credentials, HttpClient& http,
                                    Stop& stop);

}  // namespace keelson::runtime::images
