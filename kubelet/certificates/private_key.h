// An ECDSA P-256 key.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace keelson::kubelet::certificates {

// Immutable and shared; any thread. Never logged.
class PrivateKey {
 public:
  static Result<PrivateKey> generate();
  // The first private key of a PEM text, of any kind that OpenSSL reads; kInvalidArgument.
  static Result<PrivateKey> parse(std::string_view pem);

  std::string pem() const;        // "EC PRIVATE KEY" (SEC 1), as Go writes it
  std::string publicDer() const;  // SubjectPublicKeyInfo
  evp_pkey_st* get() const { return key_.get(); }

 private:
  explicit PrivateKey(evp_pkey_st* key);
  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace keelson::kubelet::certificates
