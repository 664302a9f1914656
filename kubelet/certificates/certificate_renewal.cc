#include "kubelet/certificates/certificate_renewal.h"

#include <algorithm>
#include <charconv>

#include "base/ids.h"
#include "base/log.h"

namespace keelson::kubelet::certificates {
namespace {

// Timers count a suspended machine's time differently from certificates: look again at least so often.
constexpr Duration kLongestWait = std::chrono::minutes(10);

double kernelRandom() {
  const std::string hex = randomHex(4);
  uint32_t number = 0;
  std::from_chars(hex.data(), hex.data() + hex.size(), number, 16);
  return number / 4294967296.0;
}

}  // namespace

RenewalOptions clientRenewal(const std::string& cert_dir) {
  RenewalOptions options;
  options.store = CertificateStore(cert_dir, "kubelet-client");
  options.signer = kClientSigner;
  options.usages = clientUsages();
  return options;
}

RenewalOptions servingRenewal(const std::string& cert_dir) {
  RenewalOptions options;
  options.store = CertificateStore(cert_dir, "kubelet-server");
  options.signer = kServingSigner;
  options.usages = servingUsages();
  return options;
}

RenewalStep planRenewal(const std::optional<CertificateInfo>& current,
                        const std::optional<CertificateSubject>& wanted, std::optional<WallTime> deadline,
                        WallTime now) {
  if (!wanted) return RenewalStep::kWait;
  if (!current || !covers(*current, *wanted) || !deadline || now >= *deadline) return RenewalStep::kRequest;
  return RenewalStep::kWait;
}

CertificateRenewal::CertificateRenewal(Loop& loop, Lane& lane, Clock& clock, api::client::ApiClient& client,
                                       RenewalOptions options, std::function<double()> random)
    : loop_(loop),
      clock_(clock),
      client_(client),
      options_(std::move(options)),
      random_(random ? std::move(random) : kernelRandom),
      files_(lane, "certificate-renewal") {}

CertificateRenewal::~CertificateRenewal() { *alive_ = false; }

void CertificateRenewal::start(std::function<void(const StoredCertificate&)> on_current,
                               std::function<void()> on_expired) {
  on_current_ = std::move(on_current);
  on_expired_ = std::move(on_expired);
  files_.post([this, store = options_.store, &loop = loop_, alive = alive_] {
    loop.post([this, alive, stored = store.load()] {
      if (!*alive) return;
      loaded_ = true;
      if (stored)
        adopt(*stored);
      else if (stored.error().code != Code::kNotFound)
        LOG_WARN("{}", stored.error().text);
      check();
    });
  });
}

void CertificateRenewal::want(std::optional<CertificateSubject> subject) {
  if (wanted_ == subject) return;
  wanted_ = std::move(subject);
  check();
}

void CertificateRenewal::adopt(StoredCertificate stored) {
  const CertificateInfo& info = stored.info;
  stats_.not_after = info.not_after;
  stats_.deadline = rotationDeadline(info.not_before, info.not_after, random_());
  expired_told_ = false;
  LOG_INFO("{}: valid until {}, renewed from {} on", options_.store.currentPath(), formatTime(info.not_after),
           formatTime(*stats_.deadline));
  current_ = std::move(stored);
  if (on_current_) on_current_(*current_);
}

void CertificateRenewal::check() {
  if (!loaded_ || busy_) return;
  const WallTime now = clock_.wall();
  if (current_ && now > current_->info.not_after && !expired_told_) {
    expired_told_ = true;
    LOG_ERROR("{}: expired at {}", options_.store.currentPath(), formatTime(current_->info.not_after));
    if (on_expired_)
      loop_.post([this, alive = alive_] {
        if (*alive) on_expired_();
      });
  }
  const auto info = current_ ? std::optional(current_->info) : std::nullopt;
  const SteadyTime steady = clock_.steady();
  const bool due = planRenewal(info, wanted_, stats_.deadline, now) == RenewalStep::kRequest;
  if (due && (!not_before_ || steady >= *not_before_)) return request(*wanted_);
  Duration wait = kLongestWait;
  if (due) wait = std::min(wait, Duration(*not_before_ - steady));
  if (!due && wanted_ && stats_.deadline) wait = std::min(wait, Duration(*stats_.deadline - now));
  timer_ = loop_.after(std::max(wait, Duration(std::chrono::milliseconds(1))), [this] { check(); });
}

void CertificateRenewal::request(const CertificateSubject& subject) {
  auto key = PrivateKey::generate();
  if (!key) return failed(key.error());
  busy_ = true;
  SigningOrder order{*key, subject, options_.signer, options_.usages, ""};
  signing_ = std::make_unique<SigningRequest>(loop_, client_, std::move(order), options_.timing);
  signing_->start([this, key = *key](Result<std::string> pem) { onSigned(key, std::move(pem)); });
}

void CertificateRenewal::onSigned(PrivateKey key, Result<std::string> pem) {
  // The request runs this very callback: it is let go afterwards.
  loop_.post([signing = std::shared_ptr<SigningRequest>(std::move(signing_))]() mutable { signing.reset(); });
  if (!pem) return failed(pem.error());
  files_.post(
      [this, store = options_.store, key, pem = *pem, now = clock_.wall(), &loop = loop_, alive = alive_] {
        loop.post([this, alive, stored = store.update(pem, key, now)] {
          if (!*alive) return;
          if (!stored) return failed(stored.error());
          busy_ = false;
          not_before_.reset();
          backoff_ = {};
          stats_.last_error.clear();
          ++stats_.renewals;
          adopt(*stored);
          if (current_ && wanted_ && !covers(current_->info, *wanted_)) {
            // Asking again at once would go round in circles with this signer.
            return failed(makeError(Code::kFailedPrecondition,
                                    "the issued certificate lacks names that were asked for"));
          }
          check();
        });
      });
}

void CertificateRenewal::failed(const Error& error) {
  busy_ = false;
  ++stats_.failures;
  stats_.last_error = error.text;
  backoff_ = backoff_.next(options_.backoff, clock_.wall());
  not_before_ = clock_.steady() + backoff_.delay;
  LOG_WARN("renew {}: {}; next try in {}", options_.store.currentPath(), error.text,
           formatDuration(backoff_.delay));
  check();
}

}  // namespace keelson::kubelet::certificates
