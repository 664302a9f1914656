// URLs of the API server: taken apart and put together, pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace keelson::api::client {

// "https://[::1]:6443/prefix" in its parts. A plain value. Any thread.
struct ServerUrl {
  std::string scheme;  // http or https
  std::string host;    // without brackets
  uint16_t port = 443;
  std::string prefix;  // "" or "/..." without a final slash
  bool operator==(const ServerUrl&) const = default;

  // "host:port" as in a Host header or for CONNECT, with brackets for IPv6.
  std::string authority() const;
};

// The form of a kubeconfig's `server`; without a scheme it is http to "localhost..." in client-go's eyes and
// refused here. kInvalidArgument for user names, queries, other schemes, bad ports.
Result<ServerUrl> parseServerUrl(std::string_view text);

// Host in the form of a URL: IPv6 in brackets.
std::string bracketed(const std::string& host);

// RFC 3986: everything but what a path (or one part of a query) may hold is %XX.
std::string encodePath(std::string_view path);
std::string encodeQuery(const std::vector<std::pair<std::string, std::string>>& query);

// "https://host:port/prefix/api/v1/pods?limit=500", reached by the name `host` (not necessarily server.host).
// kInvalidArgument for a path that does not begin with "/" or has a segment "." or "..".
Result<std::string> buildUrl(const ServerUrl& server, const std::string& host, std::string_view path,
                             const std::vector<std::pair<std::string, std::string>>& query);

}  // namespace keelson::api::client
