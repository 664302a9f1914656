// Keeps one stored certificate valid: asks the cluster for the next one before it expires.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/executor.h"
#include "kubelet/certificates/certificate_store.h"
#include "kubelet/certificates/signing_request.h"

namespace keelson::kubelet::certificates {

struct RenewalOptions {
  CertificateStore store{"/var/lib/kubelet/pki", "kubelet-client"};
  std::string signer;
  std::vector<std::string> usages;
  SigningTiming timing;
  BackoffPolicy backoff{std::chrono::seconds(10), std::chrono::minutes(10), std::chrono::hours(1)};
};

// Of the client certificate (rotateCertificates) and of the serving certificate (serverTLSBootstrap).
RenewalOptions clientRenewal(const std::string& cert_dir);
RenewalOptions servingRenewal(const std::string& cert_dir);

struct RenewalStats {
  std::optional<WallTime> not_after, deadline;  // of the current certificate
  uint64_t renewals = 0, failures = 0;
  std::string last_error;
};

// What to do at `now`. Pure.
enum class RenewalStep { kWait, kRequest };
RenewalStep planRenewal(const std::optional<CertificateInfo>& current,
                        const std::optional<CertificateSubject>& wanted, std::optional<WallTime> deadline,
                        WallTime now);

// Certificate and key are replaced together, in the store; the API client re-reads the file by itself, others
// are told by `on_current`. A new key for each certificate. Files are touched on a strand. Home: loop.
class CertificateRenewal {
 public:
  CertificateRenewal(Loop& loop, Lane& lane, Clock& clock, api::client::ApiClient& client,
                     RenewalOptions options,
                     std::function<double()> random = {});  // [0, 1); default: the kernel's
  ~CertificateRenewal();

  // `on_current` runs on the loop with the certificate found in the store, and with each new one;
  // `on_expired` once for a certificate that ended without a successor (a client must bootstrap anew).
  void start(std::function<void(const StoredCertificate&)> on_current, std::function<void()> on_expired = {});
  // What the certificate must say; absent: not known yet, nothing is asked for.
  void want(std::optional<CertificateSubject> subject);
  const RenewalStats& stats() const { return stats_; }

 private:
  void adopt(StoredCertificate stored);
  void check();
  void request(const CertificateSubject& subject);
  void onSigned(PrivateKey key, Result<std::string> pem);
  void failed(const Error& error);

  Loop& loop_;
  Clock& clock_;
  api::client::ApiClient& client_;
  RenewalOptions options_;
  std::function<double()> random_;
  std::function<void(const StoredCertificate&)> on_current_;
  std::function<void()> on_expired_;
  std::optional<CertificateSubject> wanted_;
  std::optional<StoredCertificate> current_;
  std::optional<SteadyTime> not_before_;  // no request earlier than that (back-off)
  bool loaded_ = false, busy_ = false, expired_told_ = false;
  Backoff backoff_;
  RenewalStats stats_;
  Registration timer_;
  std::unique_ptr<SigningRequest> signing_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Strand files_;
};

}  // namespace keelson::kubelet::certificates
