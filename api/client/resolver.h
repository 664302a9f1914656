// Names to addresses, kept for a while. Blocks: lives on a strand.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace keelson::api::client {

// Keeps each answer for kFresh and, when the name server fails, the last one for as long as it does. Home:
// one strand. A literal address needs no resolving.
class Resolver {
 public:
  static constexpr Duration kFresh = std::chrono::seconds(30);

  explicit Resolver(const Clock& clock) : clock_(clock) {}
  // Addresses in the order of getaddrinfo(3), at most 16. kUnavailable with the resolver's words.
  Result<std::vector<std::string>> resolve(const std::string& host);

 private:
  struct Answer {
    std::vector<std::string> addresses;
    SteadyTime at;
  };
  const Clock& clock_;
  std::map<std::string, Answer> answers_;  // of the server and its proxy: two names at most
};

bool isLiteralAddress(const std::string& host);

// libcurl's CURLOPT_RESOLVE: "host:port:addr,addr", IPv6 in brackets.
std::string renderResolve(const std::string& host, uint16_t port, const std::vector<std::string>& addresses);

}  // namespace keelson::api::client
