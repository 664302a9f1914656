// The way to the server: where to dial, by which name, with which credentials.
#pragma once

#include <memory>
#include <string>

#include "api/client/credentials.h"
#include "api/client/proxy.h"
#include "api/client/resolver.h"
#include "api/client/url.h"

namespace keelson::api::client {

// All that a transfer needs to know about the connection. Immutable, any thread.
struct Access {
  ServerUrl server;
  std::string url_host;     // the name that TLS proves: tls-server-name, or the server's own
  std::string host_header;  // "" unless url_host is another name
  std::string connect_to;   // CURLOPT_CONNECT_TO, "" if none
  std::string resolve;      // CURLOPT_RESOLVE, "" for a literal address
  std::string proxy;        // "" for none
  bool insecure = false;
  Credentials credentials;
};

// Makes Accesses as files, plugins and names change. Home: one strand (it blocks).
class AccessSource {
 public:
  // kInvalidArgument if the server's or the proxy's URL is none.
  static Result<std::unique_ptr<AccessSource>> make(const Connection& connection, const Environment& env,
                                                    const Clock& clock);

  Result<std::shared_ptr<const Access>> read(CredentialSource::Why why, const Stop& stop);
  // False if one read() is true for ever.
  bool canChange() const { return credentials_.canChange() || !isLiteralAddress(dial_host_); }
  bool credentialsCanChange() const { return credentials_.canChange(); }
  // Reads and checks certificates and keys once, for a clear error at the start; runs no plugin.
  Result<void> check();

 private:
  AccessSource(const Connection& connection, Access fixed, const Clock& clock)
      : connection_(connection),
        fixed_(std::move(fixed)),
        credentials_(connection, clock),
        resolver_(clock) {}

  const Connection connection_;
  const Access fixed_;
  std::string dial_host_;  // the proxy's or the server's
  uint16_t dial_port_ = 0;
  CredentialSource credentials_;
  Resolver resolver_;
};

}  // namespace keelson::api::client
