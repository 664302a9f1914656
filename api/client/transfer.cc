#include "api/client/transfer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace keelson::api::client {
namespace {

constexpr size_t kMaxErrorBody = size_t{64} << 10;
constexpr size_t kMaxHeaderBytes = size_t{256} << 10;
constexpr long kConnectTimeoutMs = 10'000;
// A peer that is gone is noticed within about 30 s, by keepalives when all is quiet and by the limit for
// unacknowledged data else (tcp(7)).
constexpr long kKeepIdleSeconds = 15;
constexpr long kKeepIntervalSeconds = 5;
constexpr unsigned kUserTimeoutMs = 30'000;

constexpr std::array<std::string_view, 5> kMethods{"GET", "POST", "PUT", "PATCH", "DELETE"};

Code codeOfCurl(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return Code::kDeadlineExceeded;
    case CURLE_OUT_OF_MEMORY:
      return Code::kResourceExhausted;
    case CURLE_URL_MALFORMAT:
      return Code::kInvalidArgument;
    default:
      return Code::kUnavailable;
  }
}

curl_blob blobOf(const std::string& text) {
  // libcurl does not write to it; the Transfer keeps it alive.
  return {const_cast<char*>(text.data()), text.size(), CURL_BLOB_NOCOPY};
}

}  // namespace

Transfer::Transfer(Shape shape, std::shared_ptr<const Access> access, OnProgress on_progress)
    : shape_(shape),
      access_(std::move(access)),
      on_progress_(std::move(on_progress)),
      easy_(curl_easy_init()) {
  if (easy_ == nullptr) std::abort();  // out of memory
}

Result<std::unique_ptr<Transfer>> Transfer::make(const ApiRequest& request, Shape shape,
                                                 std::shared_ptr<const Access> access,
                                                 const std::string& user_agent, OnProgress on_progress) {
  if (std::find(kMethods.begin(), kMethods.end(), request.method) == kMethods.end()) {
    return makeError(Code::kInvalidArgument, "method \"{}\" is none of GET, POST, PUT, PATCH, DELETE",
                     request.method);
  }
  const std::string url = TRY(buildUrl(access->server, access->url_host, request.path, request.query));
  std::unique_ptr<Transfer> transfer(new Transfer(shape, std::move(access), std::move(on_progress)));
  transfer->setRequest(request, url, user_agent);
  transfer->setWay();
  if (transfer->access_->server.scheme == "https") transfer->setTls();
  return transfer;
}

void Transfer::append(List& list, const std::string& line) {
  curl_slist* const longer = curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr) std::abort();  // out of memory
  (void)list.release();
  list.reset(longer);
}

void Transfer::setRequest(const ApiRequest& request, const std::string& url, const std::string& user_agent) {
  CURL* const easy = easy_.get();
  append(headers_, "Accept: application/json");
  append(headers_, "Expect:");  // no pause for 100 Continue
  if (!access_->host_header.empty()) append(headers_, "Host: " + access_->host_header);
  if (!access_->credentials.authorization.empty()) {
    append(headers_, "Authorization: " + access_->credentials.authorization);
  }
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, user_agent.c_str());
  if (request.body.is_null()) {
    append(headers_, "Content-Type:");
    if (request.method == "POST" || request.method == "PUT" || request.method == "PATCH") {
      curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
    }
  } else {
    append(headers_, "Content-Type: " + request.content_type);
    request_body_ = json::serialize(request.body);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_body_.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request_body_.data());
  }
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_.get());
  // A watch must come as it is said, which compression would delay.
  if (shape_ == Shape::kAnswer) curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &onHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &onBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, cause_);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
}

void Transfer::setWay() {
  CURL* const easy = easy_.get();
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
  // Waiting for a connection that may be shared ends with its handshake; without TLS it would take the first
  // answer.
  curl_easy_setopt(easy, CURLOPT_PIPEWAIT, access_->server.scheme == "https" ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, kKeepIdleSeconds);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, kKeepIntervalSeconds);
  curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, &onSocket);
  // Always set, so that libcurl looks at no environment of its own.
  curl_easy_setopt(easy, CURLOPT_PROXY, access_->proxy.c_str());
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  if (!access_->resolve.empty()) {
    append(resolve_, access_->resolve);
    curl_easy_setopt(easy, CURLOPT_RESOLVE, resolve_.get());
  }
  if (!access_->connect_to.empty()) {
    append(connect_to_, access_->connect_to);
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, connect_to_.get());
  }
}

void Transfer::setTls() {
  CURL* const easy = easy_.get();
  const TlsMaterial& tls = *access_->credentials.tls;
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
  for (const auto& [peer, host] : {std::pair{CURLOPT_SSL_VERIFYPEER, CURLOPT_SSL_VERIFYHOST},
                                   std::pair{CURLOPT_PROXY_SSL_VERIFYPEER, CURLOPT_PROXY_SSL_VERIFYHOST}}) {
    curl_easy_setopt(easy, peer, access_->insecure ? 0L : 1L);
    curl_easy_setopt(easy, host, access_->insecure ? 0L : 2L);
  }
  if (!tls.ca.empty()) {
    // This CA alone: the distribution's folder of certificates would be trusted beside it.
    curl_blob ca = blobOf(tls.ca);
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
    curl_easy_setopt(easy, CURLOPT_CAINFO, nullptr);
    curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &ca);
    curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, nullptr);
    curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, nullptr);
    curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO_BLOB, &ca);
  }
  if (tls.certificate.empty()) return;
  curl_blob certificate = blobOf(tls.certificate);
  curl_blob key = blobOf(tls.key);
  curl_easy_setopt(easy, CURLOPT_SSLCERTTYPE, "PEM");
  curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &certificate);
  curl_easy_setopt(easy, CURLOPT_SSLKEYTYPE, "PEM");
  curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &key);
}

int Transfer::onSocket(void*, curl_socket_t fd, curlsocktype) {
  const unsigned timeout = kUserTimeoutMs;
  ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);  // a help; works without
  return CURL_SOCKOPT_OK;
}

size_t Transfer::onHeader(char* data, size_t size, size_t count, void* user) {
  auto& self = *static_cast<Transfer*>(user);
  const std::string_view line(data, size * count);
  self.header_bytes_ += line.size();
  if (self.header_bytes_ > kMaxHeaderBytes) {
    self.refusal_ = makeError(Code::kResourceExhausted, "headers are larger than {} bytes", kMaxHeaderBytes);
    return 0;
  }
  if ((line == "\r\n" || line == "\n") && self.status() >= 200 && !self.head_seen_) {
    self.head_seen_ = true;
    self.on_progress_();
  }
  return line.size();
}

bool Transfer::takeBodyPiece(std::string_view piece) {
  if (!success()) {
    body_.append(piece.substr(0, kMaxErrorBody - std::min(kMaxErrorBody, body_.size())));
    return true;
  }
  if (shape_ == Shape::kStream) {
    Result<void> taken = lines_.add(piece);
    if (!taken) refusal_ = std::move(taken).error();
    return !refusal_;
  }
  if (piece.size() > kMaxAnswer - body_.size()) {
    refusal_ = makeError(Code::kResourceExhausted, "the answer is larger than {} bytes", kMaxAnswer);
    return false;
  }
  body_.append(piece);
  return true;
}

size_t Transfer::onBody(char* data, size_t size, size_t count, void* user) {
  auto& self = *static_cast<Transfer*>(user);
  if (!self.takeBodyPiece({data, size * count})) return CURL_WRITEFUNC_ERROR;
  if (self.shape_ == Shape::kStream) self.on_progress_();
  return size * count;
}

Transfer& Transfer::of(CURL* easy) {
  char* self = nullptr;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, &self);
  return *reinterpret_cast<Transfer*>(self);
}

int Transfer::status() const {
  long code = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &code);
  return static_cast<int>(code);
}

Duration Transfer::retryAfter() const {
  curl_off_t seconds = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RETRY_AFTER, &seconds);
  return std::chrono::seconds(std::clamp<curl_off_t>(seconds, 0, 24 * 3600));
}

Result<void> Transfer::outcome(CURLcode code) const {
  if (refusal_) return *refusal_;
  if (code == CURLE_OK) return {};
  return makeError(codeOfCurl(code), "{}", cause_[0] != 0 ? cause_ : curl_easy_strerror(code));
}

}  // namespace keelson::api::client
