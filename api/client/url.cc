#include "api/client/url.h"

#include <algorithm>
#include <charconv>

#include "base/ip.h"

namespace keelson::api::client {
namespace {

constexpr size_t kMaxUrlBytes = size_t{16} << 10;
constexpr std::string_view kPathExtra = "-._~!$&'()*+,;=:@/";  // RFC 3986 pchar and "/"
constexpr std::string_view kQueryExtra = "-._~";

bool isAlnum(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

std::string encode(std::string_view text, std::string_view kept) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (isAlnum(c) || kept.find(c) != std::string_view::npos) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

bool isHostName(std::string_view host) {
  return !host.empty() && host.size() <= 253 && host.front() != '.' && host.front() != '-' &&
         std::all_of(host.begin(), host.end(),
                     [](char c) { return isAlnum(c) || c == '-' || c == '.' || c == '_'; });
}

Error notAServer(std::string_view text, std::string_view why) {
  return makeError(Code::kInvalidArgument, "server \"{}\": {}", text.substr(0, 200), why);
}

bool hasDotSegment(std::string_view path) {
  while (!path.empty()) {
    const size_t end = path.find('/', 1);
    const std::string_view segment = path.substr(1, end == std::string_view::npos ? end : end - 1);
    if (segment == "." || segment == "..") return true;
    if (end == std::string_view::npos) return false;
    path.remove_prefix(end);
  }
  return false;
}

}  // namespace

std::string bracketed(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

std::string ServerUrl::authority() const { return fmt::format("{}:{}", bracketed(host), port); }

Result<ServerUrl> parseServerUrl(std::string_view text) {
  ServerUrl url;
  const size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return notAServer(text, "expected https://host[:port][/prefix]");
  url.scheme = text.substr(0, scheme_end);
  if (url.scheme != "https" && url.scheme != "http") return notAServer(text, "expected https:// or http://");
  url.port = url.scheme == "https" ? 443 : 80;
  std::string_view rest = text.substr(scheme_end + 3);
  const size_t path = rest.find_first_of("/?#");
  std::string_view authority = rest.substr(0, path);
  if (path != std::string_view::npos) url.prefix = rest.substr(path);
  if (url.prefix.find_first_of("?#") != std::string::npos) return notAServer(text, "must have no query");
  while (url.prefix.ends_with('/')) url.prefix.pop_back();
  if (hasDotSegment(url.prefix)) return notAServer(text, "must have no \"..\" in its path");
  if (authority.find('@') != std::string_view::npos) return notAServer("", "must have no user name");
  std::string_view port;
  if (authority.starts_with('[')) {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos) return notAServer(text, "\"[\" without \"]\"");
    const auto address = IpAddress::parse(authority.substr(1, close - 1));
    if (!address || address->family != IpFamily::kV6)
      return notAServer(text, "expected an IPv6 address in []");
    url.host = address->str();
    port = authority.substr(close + 1);
    if (!port.empty() && !port.starts_with(':')) return notAServer(text, "expected \":port\" after \"]\"");
  } else {
    const size_t colon = authority.find(':');
    url.host = authority.substr(0, colon);
    if (!isHostName(url.host)) return notAServer(text, "expected a host name or an address");
    if (colon != std::string_view::npos) port = authority.substr(colon);
  }
  if (port.empty() || port == ":") return url;
  port.remove_prefix(1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
  if (error != std::errc{} || end != port.data() + port.size() || url.port == 0) {
    return notAServer(text, "expected a port from 1 to 65535");
  }
  return url;
}

std::string encodePath(std::string_view path) { return encode(path, kPathExtra); }

std::string encodeQuery(const std::vector<std::pair<std::string, std::string>>& query) {
  std::string out;
  for (const auto& [name, value] : query) {
    if (!out.empty()) out += '&';
    out += encode(name, kQueryExtra) + "=" + encode(value, kQueryExtra);
  }
  return out;
}

Result<std::string> buildUrl(const ServerUrl& server, const std::string& host, std::string_view path,
                             const std::vector<std::pair<std::string, std::string>>& query) {
  if (!path.starts_with('/') || hasDotSegment(path)) {
    return makeError(Code::kInvalidArgument, "\"{}\" is not a path of the API", path.substr(0, 200));
  }
  std::string url = fmt::format("{}://{}:{}{}{}", server.scheme, bracketed(host), server.port, server.prefix,
                                encodePath(path));
  if (!query.empty()) url += "?" + encodeQuery(query);
  if (url.size() > kMaxUrlBytes) {
    return makeError(Code::kInvalidArgument, "a URL of {} bytes is longer than {}", url.size(), kMaxUrlBytes);
  }
  return url;
}

}  // namespace keelson::api::client
