#include "probes/target.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace keelson::probes {
namespace {

constexpr char kVersion[] = "1.36";

Result<uint16_t> portNumber(int64_t number) {
  if (number < 1 || number > 65535)
    return makeError(Code::kInvalidArgument, "invalid port number: {}", number);
  return static_cast<uint16_t>(number);
}

std::optional<int64_t> wholeNumber(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// A number, the name of one of the container's ports, or a number written as text.
Result<uint16_t> resolvePort(const api::IntOrString& port, const api::Container& container) {
  if (const auto* number = std::get_if<int32_t>(&port)) return portNumber(*number);
  const std::string& name = std::get<std::string>(port);
  for (const auto& known : container.ports)
    if (known.name == name) return portNumber(known.container_port);
  if (const auto number = wholeNumber(name)) return portNumber(*number);
  return makeError(Code::kInvalidArgument, "couldn't find port: {}", name);
}

bool sameName(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
           return lower(x) == lower(y);
         });
}

// What Go's URL parser makes of the field: a path with an optional query, always rooted.
std::string rooted(std::string_view path) {
  path = path.substr(0, path.find('#'));
  std::string made(path.starts_with('/') ? "" : "/");
  for (const char c : path) {
    // A space or a control character would break the request line.
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7f)
      made += fmt::format("%{:02X}", byte);
    else
      made += c;
  }
  return made;
}

}  // namespace

std::string joinHostPort(std::string_view host, uint16_t port) {
  const bool v6 = host.find(':') != std::string_view::npos;
  return v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::string HttpTarget::url() const {
  return fmt::format("{}://{}{}", tls ? "https" : "http", joinHostPort(host, port), path);
}

Result<HttpTarget> httpTarget(const api::HttpGetAction& action, const api::Container& container,
                              const std::string& pod_ip, std::string_view agent) {
  HttpTarget target;
  target.tls = sameName(action.scheme, "https");
  target.host = action.host.empty() ? pod_ip : action.host;
  target.port = TRY(resolvePort(action.port, container));
  target.path = rooted(action.path);
  target.host_header = joinHostPort(target.host, target.port);
  bool has_agent = false, has_accept = false;
  for (const auto& header : action.http_headers) {
    if (sameName(header.name, "Host")) {
      target.host_header = header.value;
      continue;
    }
    has_agent |= sameName(header.name, "User-Agent");
    if (sameName(header.name, "Accept")) {
      has_accept = true;
      if (header.value.empty()) continue;  // removes it
    }
    target.headers.emplace_back(header.name, header.value);
  }
  if (!has_agent) target.headers.emplace_back("User-Agent", fmt::format("{}/{}", agent, kVersion));
  if (!has_accept) target.headers.emplace_back("Accept", "*/*");
  return target;
}

Result<TcpTarget> tcpTarget(const api::TcpSocketAction& action, const api::Container& container,
                            const std::string& pod_ip) {
  return TcpTarget{action.host.empty() ? pod_ip : action.host, TRY(resolvePort(action.port, container))};
}

Result<GrpcTarget> grpcTarget(const api::GrpcAction& action, const std::string& pod_ip) {
  return GrpcTarget{pod_ip, TRY(portNumber(action.port)), action.service.value_or("")};
}

Result<Redirect> followRedirect(const HttpTarget& from, std::string_view location) {
  if (location.empty()) return makeError(Code::kInvalidArgument, "redirect without a Location");
  Redirect redirect{true, from};
  HttpTarget& to = redirect.target;
  std::string_view rest = location;
  bool absolute = false;
  for (const auto& [scheme, tls] : {std::pair{"http://", false}, std::pair{"https://", true}}) {
    if (!sameName(rest.substr(0, std::string_view(scheme).size()), scheme)) continue;
    to.tls = tls;
    rest.remove_prefix(std::string_view(scheme).size());
    absolute = true;
  }
  if (!absolute && rest.starts_with("//")) {
    rest.remove_prefix(2);
    absolute = true;
  }
  if (!absolute) {
    if (rest.find("://") < rest.find_first_of("/?#"))
      return makeError(Code::kInvalidArgument, "redirect to {}: http or https expected", location);
    if (rest.starts_with('/')) {
      to.path = rooted(rest);
    } else {
      const std::string base = from.path.substr(0, from.path.find('?'));
      to.path = rest.starts_with('?') ? base + std::string(rest)
                                      : rooted(base.substr(0, base.rfind('/') + 1) + std::string(rest));
    }
    return redirect;
  }
  const size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view authority = rest.substr(0, end);
  const std::string_view path = rest.substr(end);
  if (const size_t at = authority.rfind('@'); at != std::string_view::npos) authority.remove_prefix(at + 1);
  std::string_view host = authority, port;
  const size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == std::string_view::npos)
    return makeError(Code::kInvalidArgument, "redirect to {}: a host is expected", location);
  if (const size_t colon = authority.find(':', bracket); colon != std::string_view::npos) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
  }
  if (host.starts_with('[')) host = host.substr(1, host.find(']') - 1);
  if (host.empty()) return makeError(Code::kInvalidArgument, "redirect to {}: a host is expected", location);
  to.port = to.tls ? 443 : 80;
  if (!port.empty()) {
    const auto number = wholeNumber(port);
    if (!number) return makeError(Code::kInvalidArgument, "redirect to {}: a port is expected", location);
    to.port = TRY(portNumber(*number));
  }
  to.host = host;
  to.path = rooted(path);
  to.host_header = std::string(authority);
  redirect.same_host = sameName(host, from.host);
  return redirect;
}

}  // namespace keelson::probes
