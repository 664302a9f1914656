// Certificates as values: what they say, until when, and whether a key belongs to them. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "kubelet/certificates/certificate_request.h"

namespace keelson::kubelet::certificates {

struct CertificateInfo {
  CertificateSubject subject;  // names sorted
  WallTime not_before, not_after;
};

inline constexpr size_t kMaxChain = 32;

// Every certificate of a PEM text, the leaf first; other blocks (a key) are passed over. kInvalidArgument
// without any, with a broken one, or with more than kMaxChain.
Result<std::vector<CertificateInfo>> readCertificates(std::string_view pem);

// kInvalidArgument unless the first certificate of `pem` has the key's public half.
Result<void> checkPair(std::string_view pem, const PrivateKey& key);

// Whether the certificate says all that is wanted (extra names do no harm).
bool covers(const CertificateInfo& info, const CertificateSubject& wanted);

// A certificate for serving, signed by its own key, valid from an hour before `now`. PEM.
Result<std::string> buildSelfSigned(const PrivateKey& key, const CertificateSubject& subject, WallTime now,
                                    Duration life);

// When to renew: at 70 % to 90 % of the life, by `random` in [0, 1), so that the nodes of a cluster do not
// ask at once. As upstream's nextRotationDeadline.
WallTime rotationDeadline(WallTime not_before, WallTime not_after, double random);

}  // namespace keelson::kubelet::certificates
