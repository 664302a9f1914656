// Where a certificate and its key are kept between runs, as kubelet's FileStore does.
//
//   <dir>/kubelet-client-2026-11-21-15-04-05.pem   0600: the certificate, then its key
//   <dir>/kubelet-client-current.pem               a link to the newest; what a kubeconfig names
#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "kubelet/certificates/certificate.h"

namespace keelson::kubelet::certificates {

struct StoredCertificate {
  std::string pem;  // certificate and key
  PrivateKey key;
  CertificateInfo info;  // of the leaf
};

// A value that names files; its calls block (strand). A crash between two steps leaves the former link.
class CertificateStore {
 public:
  CertificateStore(std::string directory, std::string prefix)
      : directory_(std::move(directory)), prefix_(std::move(prefix)) {}

  std::string currentPath() const { return directory_ + "/" + prefix_ + "-current.pem"; }
  const std::string& directory() const { return directory_; }
  // kNotFound if there is none yet; kInvalidArgument if its parts do not belong together.
  Result<StoredCertificate> load() const;
  // Makes the pair the current one; it is checked before.
  Result<StoredCertificate> update(const std::string& certificate_pem, const PrivateKey& key,
                                   WallTime now) const;

 private:
  std::string directory_, prefix_;
};

inline constexpr size_t kMaxPemBytes = size_t{1} << 20;

}  // namespace keelson::kubelet::certificates
