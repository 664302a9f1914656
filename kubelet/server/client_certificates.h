// Clients that prove themselves with a certificate.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "kubelet/server/identity.h"

struct x509_store_st;  // OpenSSL's X509_STORE

namespace keelson::kubelet::server {

// The authorities of authentication.x509.clientCAFile. Immutable; a changed file makes a new one. Any thread.
class ClientAuthorities {
 public:
  // kInvalidArgument without a certificate or with a broken one.
  static Result<std::shared_ptr<const ClientAuthorities>> parse(const std::string& pem);

  // The subject of `chain` (DER, the leaf first): its common name is the user, its organizations are the
  // groups. kPermissionDenied unless it leads to one of the authorities, is valid at `now` and is meant for
  // clients.
  Result<Identity> identify(const std::vector<std::string>& chain, WallTime now) const;

 private:
  std::shared_ptr<x509_store_st> store_;
};

}  // namespace keelson::kubelet::server
