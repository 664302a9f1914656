// TLS settings of the node's server.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace boost::asio::ssl {
class context;
}

namespace keelson::kubelet::server {

// As KubeletConfiguration has them; empty is the default: TLS 1.2, OpenSSL's own choice of the rest.
struct TlsSettings {
  std::string min_version;                 // VersionTLS12, VersionTLS13
  std::vector<std::string> cipher_suites;  // IANA names; those of TLS 1.3 are always on, as in Go
  std::vector<std::string> curves;         // X25519, CurveP256, CurveP384, CurveP521
};

// kInvalidArgument naming the value that this OpenSSL does not know. Pure.
Result<void> checkTlsSettings(const TlsSettings& settings);

// A server's context: asks for a client certificate, and takes any, because who signed it is looked at with
// each request (so that authorities can change). `client_ca_pem`: the authorities named to clients, "" for
// none. No session is resumed. kInvalidArgument if the pair cannot be used. Shared by connections; any
// thread.
using TlsContext = std::shared_ptr<boost::asio::ssl::context>;
Result<TlsContext> makeTlsContext(const TlsSettings& settings, const std::string& certificate_pem,
                                  const std::string& key_pem, const std::string& client_ca_pem);

}  // namespace keelson::kubelet::server
