#include "runtime/images/url.h"

#include <algorithm>

#include "base/ip.h"

namespace keelson::runtime::images {
namespace {

constexpr size_t kMaxUrlBytes = 16 << 10;  // signed storage URLs are long
constexpr size_t kShownBytes = 200;

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

std::string_view withoutPort(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.rfind(':'));
}

std::string hostWithPort(const Url& url) {
  const bool has_port = withoutPort(url.host).size() != url.host.size();
  return has_port ? url.host : url.host + (url.scheme == "http" ? ":80" : ":443");
}

bool isHost(std::string_view host) {
  return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
  });
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    return makeError(Code::kDataLoss, "URL \"{}\": {}", text.substr(0, kShownBytes), why);
  };
  if (text.size() > kMaxUrlBytes) return refuse("too long");
  const bool clean = std::all_of(text.begin(), text.end(),
                                 [](char c) { return static_cast<unsigned char>(c) > ' ' && c != 0x7f; });
  if (!clean) return refuse("has spaces or control characters");
  const size_t colon = text.find("://");
  if (colon == std::string_view::npos) return refuse("has no scheme");
  Url url;
  url.scheme = lower(text.substr(0, colon));
  if (url.scheme != "http" && url.scheme != "https") return refuse("is neither http nor https");
  std::string_view rest = text.substr(colon + 3);
  const size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  url.host = lower(rest.substr(0, end));
  if (!isHost(url.host)) return refuse("has no proper host");
  rest = rest.substr(end);
  rest = rest.substr(0, rest.find('#'));
  url.target = rest.starts_with('/') ? std::string(rest) : "/" + std::string(rest);
  return url;
}

Result<Url> Url::resolve(std::string_view location) const {
  if (location.empty()) return makeError(Code::kDataLoss, "redirect without a location");
  if (location.find("://") != std::string_view::npos && !location.starts_with('/') &&
      !location.starts_with('?'))
    return parse(location);
  if (location.starts_with("//")) return parse(scheme + ":" + std::string(location));
  if (location.starts_with('/')) return parse(scheme + "://" + host + std::string(location));
  const std::string path = target.substr(0, target.find('?'));
  if (location.starts_with('?')) return parse(scheme + "://" + host + path + std::string(location));
  return parse(scheme + "://" + host + path.substr(0, path.rfind('/') + 1) + std::string(location));
}

bool Url::sameOrigin(const Url& other) const {
  return scheme == other.scheme && hostWithPort(*this) == hostWithPort(other);
}

bool Url::isLoopback() const { return isLoopbackHost(host); }

bool isLoopbackHost(std::string_view host) {
  std::string_view name = withoutPort(host);
  if (name == "localhost") return true;
  if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
  const auto address = IpAddress::parse(name);
  return address.ok() && address->isLoopback();
}

std::string encodeQuery(std::string_view value) {
  std::string encoded;
  for (const char c : value) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

}  // namespace keelson::runtime::images
