// URLs of registries, as far as redirects and token servers need them.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace keelson::runtime::images {

struct Url {
  std::string scheme;  // "http" or "https"
  std::string host;    // with the port if it is written: "registry.local:5000"
  std::string target;  // path and query, begins with "/"

  // Without user information: a URL that carries any, or control characters, is refused.
  static Result<Url> parse(std::string_view text);
  // A Location header seen from this URL: absolute, "//host/path", "/path" or relative.
  Result<Url> resolve(std::string_view location) const;

  std::string str() const { return scheme + "://" + host + target; }
  // Scheme, host and port are the same: what one may know, the other may.
  bool sameOrigin(const Url& other) const;
  bool isLoopback() const;
};

bool isLoopbackHost(std::string_view host);  // "localhost", 127.0.0.0/8, [::1]; with or without port

// Percent-encoding for a query value.
std::string encodeQuery(std::string_view value);

}  // namespace keelson::runtime::images
