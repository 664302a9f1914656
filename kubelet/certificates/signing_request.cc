#include "kubelet/certificates/signing_request.h"

#include <algorithm>

#include "api/codec.h"
#include "base/log.h"
#include "kubelet/certificates/certificate.h"

namespace keelson::kubelet::certificates {
namespace {

constexpr const char* kPath = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

}  // namespace

Result<std::string> judgeSigning(const api::CertificateSigningRequest& request, const SigningOrder& order) {
  const std::string& name = request.metadata.name;
  if (TRY_CTX(csrPublicDer(request.request.bytes), "certificate signing request {}", name) !=
          order.key.publicDer() ||
      request.signer_name != order.signer)
    return makeError(Code::kFailedPrecondition, "certificate signing request {} is for another key or signer",
                     name);
  bool approved = false;
  for (const auto& condition : request.conditions) {
    if (condition.type == "Denied")
      return makeError(Code::kPermissionDenied,
                       "certificate signing request {} is denied, reason: {}, message: {}", name,
                       condition.reason, condition.message);
    if (condition.type == "Failed")
      return makeError(Code::kFailedPrecondition,
                       "certificate signing request {} failed, reason: {}, message: {}", name,
                       condition.reason, condition.message);
    approved = approved || condition.type == "Approved";
  }
  if (!approved || request.certificate.bytes.empty()) return std::string();
  TRY_CTX(checkPair(request.certificate.bytes, order.key), "certificate of {}", name);
  return request.certificate.bytes;
}

SigningRequest::SigningRequest(Loop& loop, api::client::ApiClient& client, SigningOrder order,
                               SigningTiming timing)
    : loop_(loop),
      client_(client),
      order_(std::move(order)),
      timing_(timing),
      next_poll_(timing.first_poll) {}

void SigningRequest::start(std::function<void(Result<std::string>)> done) {
  done_ = std::move(done);
  deadline_ = loop_.after(timing_.timeout, [this] {
    finish(makeError(
        Code::kDeadlineExceeded, "certificate signing request {} was not approved and issued within {}{}{}",
        name_, formatDuration(timing_.timeout), last_error_.empty() ? "" : "; last error: ", last_error_));
  });
  create();
}

void SigningRequest::create() {
  api::CertificateSigningRequest request;
  if (order_.name.empty())
    request.metadata.generate_name = "csr-";
  else
    request.metadata.name = order_.name;
  auto pem = buildCsr(order_.key, order_.subject);
  if (!pem) {
    poll_timer_ = loop_.after(Duration{0}, [this, error = pem.error()] { finish(error); });
    return;
  }
  request.request.bytes = std::move(pem).value();
  request.signer_name = order_.signer;
  request.usages = order_.usages;
  name_ = order_.name;
  json::value body = api::encode(request);
  body.get_object().erase("status");
  api::client::ApiRequest post;
  post.method = "POST";
  post.path = kPath;
  post.body = std::move(body);
  call_ = client_.send(std::move(post), [this](Result<json::value> answer) {
    if (!answer && answer.error().code == Code::kAlreadyExists) return poll();
    if (!answer) return finish(std::move(answer).error().withContext("create certificate signing request"));
    onAnswer(std::move(answer));
  });
}

void SigningRequest::poll() {
  api::client::ApiRequest get;
  get.path = std::string(kPath) + "/" + name_;
  call_ = client_.send(std::move(get), [this](Result<json::value> answer) {
    const auto code = answer ? Code::kInternal : answer.error().code;
    if (!answer && code == Code::kNotFound)
      return finish(
          makeError(Code::kFailedPrecondition, "certificate signing request {} was deleted", name_));
    if (!answer &&
        (code == Code::kUnavailable || code == Code::kDeadlineExceeded || code == Code::kResourceExhausted)) {
      last_error_ = answer.error().text;
      return waitOn();
    }
    if (!answer) return finish(std::move(answer).error());
    onAnswer(std::move(answer));
  });
}

void SigningRequest::waitOn() {
  poll_timer_ = loop_.after(next_poll_, [this] { poll(); });
  next_poll_ = std::min(next_poll_ * 2, timing_.max_poll);
}

void SigningRequest::onAnswer(Result<json::value> answer) {
  auto decoded = api::decode<api::CertificateSigningRequest>(*answer);
  if (!decoded) return finish(std::move(decoded).error().withContext("certificate signing request"));
  if (name_ != decoded->value.metadata.name) {
    name_ = decoded->value.metadata.name;
    if (name_.empty())
      return finish(makeError(Code::kInternal, "the server gave the signing request no name"));
  }
  auto pem = judgeSigning(decoded->value, order_);
  if (!pem || !pem->empty()) return finish(std::move(pem));
  waitOn();
}

void SigningRequest::finish(Result<std::string> result) {
  deadline_.reset();
  poll_timer_.reset();
  call_.reset();
  auto done = std::move(done_);
  if (done) done(std::move(result));
}

}  // namespace keelson::kubelet::certificates
