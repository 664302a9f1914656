// CertificateSigningRequest (certificates.k8s.io/v1): how a node asks the cluster for a certificate.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/object_meta.h"

namespace keelson::api {

// Raw bytes that stand as base64 in JSON.
struct Base64Bytes {
  std::string bytes;
  bool operator==(const Base64Bytes&) const = default;
};

struct CertificateSigningRequestCondition {
  std::string type;    // Approved, Denied, Failed
  std::string status;  // True, False, Unknown
  std::string reason;
  std::string message;
  bool operator==(const CertificateSigningRequestCondition&) const = default;
};

// A plain value, shared as const. Any thread.
struct CertificateSigningRequest {
  ObjectMeta metadata;
  Base64Bytes request;  // PEM "CERTIFICATE REQUEST"
  std::string signer_name;
  std::vector<std::string> usages;  // "digital signature", "client auth", ...
  std::optional<int32_t> expiration_seconds;
  std::vector<CertificateSigningRequestCondition> conditions;
  Base64Bytes certificate;  // PEM, once issued
  bool operator==(const CertificateSigningRequest&) const = default;
};

}  // namespace keelson::api
