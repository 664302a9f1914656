// Which HTTP proxy leads to a server, as Go decides it (golang.org/x/net/http/httpproxy).
#pragma once

#include <map>
#include <string>

#include "api/client/url.h"

namespace keelson::api::client {

using Environment = std::map<std::string, std::string>;

// This process's variables that matter here: HTTPS_PROXY, HTTP_PROXY, NO_PROXY and their lower-case forms.
Environment proxyEnvironment();

// A proxy in libcurl's words, with its port spelled out. An empty URL is none. A plain value.
struct Proxy {
  std::string url, host;
  uint16_t port = 0;
};

// `proxy_url` of the kubeconfig wins and knows no exceptions; else HTTPS_PROXY (HTTP_PROXY for http) unless
// the server is local or in NO_PROXY. kInvalidArgument for a scheme other than http, https, socks5, socks5h.
Result<Proxy> proxyFor(const ServerUrl& server, const std::string& proxy_url, const Environment& env);

// A NO_PROXY list: "*", addresses, prefixes, names with their sub-domains, ".only.sub.domains", each with an
// optional ":port".
bool bypassesProxy(const ServerUrl& server, std::string_view no_proxy);

}  // namespace keelson::api::client
