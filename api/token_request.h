// TokenRequest: a service account token, asked for and given.
// https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/object_meta.h"

namespace keelson::api {

// The object whose deletion ends the token.
struct BoundObjectReference {
  std::string api_version;
  std::string kind;
  std::string name;
  std::string uid;
  bool operator==(const BoundObjectReference&) const = default;
};

struct TokenRequestSpec {
  std::vector<std::string> audiences;  // none: the API server's own
  std::optional<int64_t> expiration_seconds;
  std::optional<BoundObjectReference> bound_object;
  bool operator==(const TokenRequestSpec&) const = default;
};

struct TokenRequestStatus {
  std::string token;  // never logged
  std::optional<WallTime> expiration;
  bool operator==(const TokenRequestStatus&) const = default;
};

// A plain value. Any thread.
struct TokenRequest {
  ObjectMeta metadata;
  TokenRequestSpec spec;
  TokenRequestStatus status;
  bool operator==(const TokenRequest&) const = default;
};

}  // namespace keelson::api
