#include "kubelet/certificates/serving_certificates.h"

#include "base/fs.h"
#include "base/log.h"

namespace keelson::kubelet::certificates {
namespace {

constexpr Duration kSelfSignedLife = std::chrono::hours(24 * 365);
constexpr Duration kRenewSelfSigned = std::chrono::hours(24 * 30);  // before its end

}  // namespace

Result<ServingPair> readServingPair(const std::string& cert_file, const std::string& key_file) {
  ServingPair pair;
  pair.certificate_pem = TRY_CTX(readFile(cert_file, kMaxPemBytes), "serving certificate");
  pair.key_pem = TRY_CTX(readFile(key_file, kMaxPemBytes), "serving key");
  const PrivateKey key = TRY_CTX(PrivateKey::parse(pair.key_pem), "serving key {}", key_file);
  TRY_CTX(readCertificates(pair.certificate_pem), "serving certificate {}", cert_file);
  TRY_CTX(checkPair(pair.certificate_pem, key), "serving certificate {} and key {}", cert_file, key_file);
  return pair;
}

Result<ServingPair> ensureSelfSigned(const std::string& cert_dir, const CertificateSubject& subject,
                                     WallTime now) {
  const std::string cert_file = cert_dir + "/kubelet.crt", key_file = cert_dir + "/kubelet.key";
  if (auto pair = readServingPair(cert_file, key_file)) {
    const CertificateInfo info = TRY(readCertificates(pair->certificate_pem)).front();
    CertificateSubject names = subject;
    names.common_name = info.subject.common_name;  // "host@time" of whoever made it
    names.organizations = info.subject.organizations;
    if (covers(info, names) && now + kRenewSelfSigned < info.not_after) return pair;
  }
  CertificateSubject named = subject;
  named.common_name =
      fmt::format("{}@{}", subject.common_name,
                  std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
  named.organizations.clear();
  const PrivateKey key = TRY(PrivateKey::generate());
  ServingPair pair{TRY(buildSelfSigned(key, named, now, kSelfSignedLife)), key.pem()};
  const DirFd directory = TRY_CTX(DirFd::ensure(cert_dir, 0755), "certificates");
  // A crash in between leaves a pair that does not match, which the next start replaces.
  TRY(directory.writeFileAtomic("kubelet.key", pair.key_pem, 0600));
  TRY(directory.writeFileAtomic("kubelet.crt", pair.certificate_pem, 0644));
  return pair;
}

ServingCertificates::ServingCertificates(Loop& loop, Lane& lane, Clock& clock, api::client::ApiClient* client,
                                         ServingOptions options)
    : loop_(loop), clock_(clock), options_(std::move(options)), files_(lane, "serving-certificates") {
  if (options_.cert_file.empty() && options_.bootstrap && client != nullptr)
    renewal_ =
        std::make_unique<CertificateRenewal>(loop, lane, clock, *client, servingRenewal(options_.cert_dir));
}

ServingCertificates::~ServingCertificates() { *alive_ = false; }

void ServingCertificates::start(std::function<void(const ServingPair&)> on_pair) {
  on_pair_ = std::move(on_pair);
  if (!renewal_) return refresh();
  renewal_->start([this](const StoredCertificate& stored) {
    onRead(ServingPair{stored.pem, stored.key.pem()});
  });
}

void ServingCertificates::setAddresses(std::vector<std::string> dns_names,
                                       std::vector<IpAddress> ip_addresses) {
  const bool has_address = !ip_addresses.empty();
  CertificateSubject subject =
      servingSubject(options_.node_name, std::move(dns_names), std::move(ip_addresses));
  if (renewal_) return renewal_->want(has_address ? std::optional(std::move(subject)) : std::nullopt);
  subject.common_name = options_.node_name;
  if (subject_ == subject) return;
  subject_ = std::move(subject);
  if (on_pair_) refresh();
}

void ServingCertificates::refresh() {
  timer_ = loop_.after(options_.reread, [this] { refresh(); });
  if (options_.cert_file.empty() && !subject_) return;  // whom to certify is not known yet
  files_.post(
      [this, options = options_, subject = subject_, now = clock_.wall(), &loop = loop_, alive = alive_] {
        auto pair = options.cert_file.empty() ? ensureSelfSigned(options.cert_dir, *subject, now)
                                              : readServingPair(options.cert_file, options.key_file);
        loop.post([this, alive, pair = std::move(pair)] {
          if (*alive) onRead(pair);
        });
      });
}

void ServingCertificates::onRead(Result<ServingPair> pair) {
  if (!pair) {
    if (last_error_ != pair.error().text) LOG_ERROR("{}", pair.error().text);
    last_error_ = pair.error().text;
    return;
  }
  last_error_.clear();
  if (current_ == *pair) return;
  current_ = std::move(pair).value();
  on_pair_(*current_);
}

}  // namespace keelson::kubelet::certificates
