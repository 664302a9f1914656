#include "api/client/proxy.h"

#include <array>
#include <cstdlib>

#include "base/ip.h"

namespace keelson::api::client {
namespace {

std::string valueOf(const Environment& env, const std::string& upper, const std::string& lower) {
  for (const auto& name : {upper, lower}) {
    const auto found = env.find(name);
    if (found != env.end() && !found->second.empty()) return found->second;
  }
  return "";
}

std::string lowerCase(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Takes ":port" off an entry; false if it names another port than the server's.
bool portMatches(std::string_view& entry, uint16_t port) {
  const size_t colon = entry.rfind(':');
  if (colon == std::string_view::npos) return true;
  if (entry.starts_with('[')) {
    const size_t close = entry.find(']');
    if (close == std::string_view::npos) return true;
    const std::string_view rest = entry.substr(close + 1);
    entry = entry.substr(1, close - 1);
    return rest.empty() || rest == fmt::format(":{}", port);
  }
  if (entry.find(':') != colon) return true;  // a bare IPv6 address
  const std::string_view text = entry.substr(colon + 1);
  entry = entry.substr(0, colon);
  return text == std::to_string(port);
}

bool entryMatches(std::string_view entry, const ServerUrl& server) {
  if (entry == "*") return true;
  const auto address = IpAddress::parse(server.host);
  if (const auto prefix = IpPrefix::parse(entry); prefix.ok()) {
    return address.ok() && prefix->contains(*address);
  }
  if (!portMatches(entry, server.port) || entry.empty()) return false;
  if (const auto named = IpAddress::parse(entry); named.ok()) return address.ok() && *named == *address;
  const std::string host = lowerCase(server.host);
  std::string domain = lowerCase(entry);
  if (domain.starts_with("*.")) domain.erase(0, 1);
  if (domain.starts_with('.')) return host.ends_with(domain);
  return host == domain || host.ends_with("." + domain);
}

bool isLocal(const ServerUrl& server) {
  if (server.host == "localhost") return true;
  const auto address = IpAddress::parse(server.host);
  return address.ok() && address->isLoopback();
}

// Takes "scheme://[user:password@]host[:port]" apart; the default ports are Go's, which libcurl's are not.
Result<Proxy> parseProxy(const std::string& text) {
  const size_t scheme_end = text.find("://");
  const std::string scheme = text.substr(0, scheme_end == std::string::npos ? 0 : scheme_end);
  const bool socks = scheme == "socks5" || scheme == "socks5h";
  if (scheme != "http" && scheme != "https" && !socks) {
    return makeError(Code::kInvalidArgument, "proxy URL: expected http://, https:// or socks5://");
  }
  const std::string rest = text.substr(scheme_end + 3);
  const std::string authority = rest.substr(0, rest.find_first_of("/?#"));
  const size_t at = authority.rfind('@');
  const std::string user = at == std::string::npos ? "" : authority.substr(0, at + 1);
  const std::string host_port = at == std::string::npos ? authority : authority.substr(at + 1);
  ServerUrl url =
      TRY_CTX(parseServerUrl((scheme == "https" ? "https://" : "http://") + host_port), "proxy URL");
  const bool has_port = host_port.find(':', host_port.find(']') + 1) != std::string::npos;
  if (socks && !has_port) url.port = 1080;
  // Go's socks5 leaves names to the proxy, which libcurl calls socks5h.
  return Proxy{fmt::format("{}://{}{}", socks ? "socks5h" : scheme, user, url.authority()), url.host,
               url.port};
}

}  // namespace

Environment proxyEnvironment() {
  static constexpr std::array<const char*, 6> kNames{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY",
                                                     "http_proxy",  "NO_PROXY",    "no_proxy"};
  Environment env;
  for (const char* name : kNames) {
    if (const char* value = std::getenv(name)) env[name] = value;
  }
  return env;
}

bool bypassesProxy(const ServerUrl& server, std::string_view no_proxy) {
  while (!no_proxy.empty()) {
    const size_t comma = no_proxy.find(',');
    const std::string_view entry = trimmed(no_proxy.substr(0, comma));
    if (!entry.empty() && entryMatches(entry, server)) return true;
    if (comma == std::string_view::npos) return false;
    no_proxy.remove_prefix(comma + 1);
  }
  return false;
}

Result<Proxy> proxyFor(const ServerUrl& server, const std::string& proxy_url, const Environment& env) {
  std::string proxy = proxy_url;
  if (proxy.empty()) {
    if (isLocal(server) || bypassesProxy(server, valueOf(env, "NO_PROXY", "no_proxy"))) return Proxy{};
    proxy = server.scheme == "https" ? valueOf(env, "HTTPS_PROXY", "https_proxy")
                                     : valueOf(env, "HTTP_PROXY", "http_proxy");
    if (proxy.empty()) return Proxy{};
    if (proxy.find("://") == std::string::npos) proxy.insert(0, "http://");
  }
  return parseProxy(proxy);
}

}  // namespace keelson::api::client
