#include "api/client/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <memory>

#include "api/client/url.h"
#include "base/ip.h"

namespace keelson::api::client {
namespace {

constexpr size_t kMaxAddresses = 16;

Result<std::vector<std::string>> lookUp(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(error == 0 ? list : nullptr, [](addrinfo* all) {
    if (all != nullptr) ::freeaddrinfo(all);
  });
  if (error != 0) return makeError(Code::kUnavailable, "resolve {}: {}", host, ::gai_strerror(error));
  std::vector<std::string> addresses;
  for (const addrinfo* at = list; at != nullptr && addresses.size() < kMaxAddresses; at = at->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(at->ai_addr, at->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) !=
        0) {
      continue;
    }
    if (std::find(addresses.begin(), addresses.end(), text.data()) == addresses.end()) {
      addresses.emplace_back(text.data());
    }
  }
  if (addresses.empty()) return makeError(Code::kUnavailable, "resolve {}: no address", host);
  return addresses;
}

}  // namespace

Result<std::vector<std::string>> Resolver::resolve(const std::string& host) {
  if (isLiteralAddress(host)) return std::vector<std::string>{host};
  const auto known = answers_.find(host);
  if (known != answers_.end() && clock_.steady() - known->second.at < kFresh) return known->second.addresses;
  auto fresh = lookUp(host);
  if (fresh.ok()) {
    answers_[host] = {*fresh, clock_.steady()};
  } else if (known != answers_.end()) {
    return known->second.addresses;
  }
  return fresh;
}

bool isLiteralAddress(const std::string& host) { return IpAddress::parse(host).ok(); }

std::string renderResolve(const std::string& host, uint16_t port, const std::vector<std::string>& addresses) {
  std::string out = fmt::format("{}:{}:", host, port);
  for (size_t i = 0; i < addresses.size(); ++i) out += (i == 0 ? "" : ",") + bracketed(addresses[i]);
  return out;
}

}  // namespace keelson::api::client
