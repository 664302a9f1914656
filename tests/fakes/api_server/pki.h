// The stand-in's certificate authority and its key for service account tokens.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"

namespace keelson::fakes {

struct KeyPair {
  std::string certificate_pem, key_pem;
};

// Who a certificate speaks for: CN is the user, each O a group.
struct Subject {
  std::string common_name;
  std::vector<std::string> organizations;
  std::vector<std::string> dns_names, addresses;
};

struct SigningRequest {
  Subject subject;
};

// ECDSA P-256 throughout. Made new by create(), or read from what save() wrote (a restarted server keeps its
// identity). Immutable after that; any thread.
class Pki {
 public:
  static Result<std::shared_ptr<const Pki>> create(const Clock& clock);
  static Result<std::shared_ptr<const Pki>> load(const std::string& folder);
  ~Pki();
  Result<void> save(const std::string& folder) const;  // ca.crt, ca.key, sa.key

  const std::string& caPem() const;
  enum class Use { kServer, kClient };
  Result<KeyPair> issue(const Subject& subject, Use use, WallTime now, Duration life) const;
  // Signs a PEM certificate request; refuses one whose own signature is wrong.
  Result<std::string> sign(std::string_view request_pem, Use use, WallTime now, Duration life) const;
  static Result<SigningRequest> readRequest(std::string_view request_pem);
  // The subject of a PEM certificate.
  static Result<Subject> readSubject(std::string_view certificate_pem);

  // A JWT (RFC 7519, ES256) of the claims.
  Result<std::string> signToken(const json::object& claims) const;
  // The claims of a token that this key signed. Says nothing of its time.
  Result<json::object> verifyToken(std::string_view token) const;

 private:
  struct Impl;
  explicit Pki(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::fakes
