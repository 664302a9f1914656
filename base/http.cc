// HTTP(S) on libcurl's easy interface.
#include "base/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <optional>

namespace keelson {
namespace {

constexpr size_t kIdleHandles = 8;  // connections are kept in handles
constexpr size_t kMaxHeaderBytes = size_t{256} << 10;
constexpr size_t kMaxUrlBytes = size_t{16} << 10;
constexpr long kReceiveBuffer = long{256} << 10;
constexpr Duration kConnectTimeout = std::chrono::seconds(30);
constexpr Duration kSendStall = std::chrono::seconds(60);  // of send(), whose caller names none
constexpr long kStallBytesPerSecond = 1;

struct CloseEasy {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using Easy = std::unique_ptr<CURL, CloseEasy>;

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeList>;

// "https://host:port" of a URL: what a kept connection can serve.
std::string originOf(const std::string& url) {
  const size_t scheme_end = url.find("://");
  if (scheme_end == std::string::npos) return url;
  return url.substr(0, url.find_first_of("/?#", scheme_end + 3));
}

// A URL for error texts: signed URLs carry credentials in their query.
std::string withoutQuery(const std::string& url) {
  return url.substr(0, std::min(url.find('?'), size_t{512}));
}

// Idle handles by the origin that they last spoke to. Any thread.
class HandlePool {
 public:
  // The one last used for `origin`, else a new one.
  Easy take(const std::string& origin) {
    {
      const std::lock_guard lock(mutex_);
      const auto found =
          std::find_if(idle_.rbegin(), idle_.rend(), [&](const Idle& idle) { return idle.origin == origin; });
      if (found != idle_.rend()) {
        Easy handle = std::move(found->handle);
        idle_.erase(std::next(found).base());
        return handle;
      }
    }
    return Easy(curl_easy_init());
  }
  void put(std::string origin, Easy handle) {
    curl_easy_reset(handle.get());  // options go, connections stay
    Easy oldest;                    // closed outside the lock
    const std::lock_guard lock(mutex_);
    if (idle_.size() == kIdleHandles) {
      oldest = std::move(idle_.front().handle);
      idle_.erase(idle_.begin());
    }
    idle_.push_back({std::move(origin), std::move(handle)});
  }

 private:
  struct Idle {
    std::string origin;
    Easy handle;
  };
  std::mutex mutex_;
  std::vector<Idle> idle_;
};

using Sink = std::function<Result<void>(std::string_view)>;

// One request on its way: what libcurl's callbacks fill in. Lives on the caller's stack.
struct Transfer {
  CURL* handle = nullptr;
  const HttpRequest* request = nullptr;
  const Sink* sink = nullptr;  // null: keep every body
  Stop* stop = nullptr;
  HttpResponse response;
  std::optional<Error> refusal;  // why a callback ended the transfer
  size_t header_bytes = 0;

  int status() const {
    long code = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &code);
    return static_cast<int>(code);
  }
};

std::string lowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// CURLOPT_HEADERFUNCTION: one call a line, the status line included.
size_t onHeader(char* data, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view line(data, size * count);
  transfer.header_bytes += line.size();
  if (transfer.header_bytes > kMaxHeaderBytes) {
    transfer.refusal =
        makeError(Code::kResourceExhausted, "headers are larger than {} bytes", kMaxHeaderBytes);
    return 0;
  }
  if (line.starts_with("HTTP/")) {
    transfer.response.headers.clear();  // those of a 100 Continue
    return line.size();
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return line.size();
  const std::string_view value = trimmed(line.substr(colon + 1));
  const auto [at, fresh] =
      transfer.response.headers.try_emplace(lowerCase(trimmed(line.substr(0, colon))), value);
  if (!fresh) at->second.append(", ").append(value);
  return line.size();
}

// CURLOPT_WRITEFUNCTION: a piece of the body.
size_t onBody(char* data, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view piece(data, size * count);
  if (transfer.sink != nullptr && transfer.status() / 100 == 2) {
    Result<void> taken = (*transfer.sink)(piece);
    if (!taken) {
      transfer.refusal = std::move(taken).error();
      return CURL_WRITEFUNC_ERROR;
    }
    return piece.size();
  }
  if (piece.size() > transfer.request->body_limit - transfer.response.body.size()) {
    transfer.refusal = makeError(Code::kResourceExhausted, "body is larger than the limit of {} bytes",
                                 transfer.request->body_limit);
    return CURL_WRITEFUNC_ERROR;
  }
  transfer.response.body.append(piece);
  return piece.size();
}

// CURLOPT_XFERINFOFUNCTION: called often while data flows and about once a second otherwise.
int onProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Transfer*>(user)->stop->cancelled() ? 1 : 0;
}

bool hasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
  });
}

Result<void> checkRequest(const HttpRequest& request) {
  static constexpr std::array<std::string_view, 3> kMethods{"GET", "HEAD", "POST"};
  if (std::find(kMethods.begin(), kMethods.end(), request.method) == kMethods.end()) {
    return makeError(Code::kInvalidArgument, "method \"{}\" is none of GET, HEAD, POST", request.method);
  }
  const bool http = request.url.starts_with("http://") || request.url.starts_with("https://");
  if (!http || request.url.size() > kMaxUrlBytes || hasControl(request.url)) {
    return makeError(Code::kInvalidArgument, "not an http or https URL");
  }
  for (const auto& [name, value] : request.headers) {
    // A line break would let a token or an image name write headers of its own.
    if (name.empty() || name.find_first_of(" \t:;") != std::string::npos || hasControl(name) ||
        hasControl(value)) {
      return makeError(Code::kInvalidArgument, "header \"{}\" has characters that no header may have", name);
    }
  }
  return {};
}

HeaderList headerList(const HttpRequest& request) {
  HeaderList list;
  const auto append = [&list](const std::string& line) {
    curl_slist* const longer = curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) std::abort();  // out of memory
    list.release();
    list.reset(longer);
  };
  append("Expect:");  // no pause of a second for 100 Continue
  for (const auto& [name, value] : request.headers) {
    append(value.empty() ? name + ";" : name + ": " + value);  // libcurl's spelling of an empty one
  }
  return list;
}

// Not kInvalidArgument for CURLE_UNSUPPORTED_PROTOCOL: the scheme was checked before, what is left of it
// is a server that speaks no HTTP/1.
Code codeOfCurl(CURLcode code) {
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_LOGIN_DENIED:  // CURLOPT_DISALLOW_USERNAME_IN_URL
    case CURLE_SSL_CACERT_BADFILE:
      return Code::kInvalidArgument;
    case CURLE_OUT_OF_MEMORY:
      return Code::kResourceExhausted;
    case CURLE_OPERATION_TIMEDOUT:
      return Code::kDeadlineExceeded;
    case CURLE_ABORTED_BY_CALLBACK:
      return Code::kCancelled;
    default:
      return Code::kUnavailable;
  }
}

// 1 to INT_MAX, the range that libcurl takes (0 would mean "no limit").
long millisecondsOf(Duration duration) {
  const auto count = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
  return static_cast<long>(std::clamp<int64_t>(count, 1, std::numeric_limits<int>::max()));
}

class CurlHttpClient final : public HttpClient {
 public:
  CurlHttpClient() {
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (ready != CURLE_OK) std::abort();  // a libcurl without TLS, or no memory
    // Go's rule for proxies, which users know: none for this machine itself.
    for (const char* const name : {"NO_PROXY", "no_proxy"}) {
      if (const char* const value = std::getenv(name)) no_proxy_ += std::string(value) + ",";
    }
    no_proxy_ += "localhost,127.0.0.0/8,::1";
  }

  Result<HttpResponse> send(const HttpRequest& request, Stop& stop) override {
    return perform(request, nullptr, kSendStall, stop);
  }

  Result<HttpResponse> stream(const HttpRequest& request, Duration stall, const Sink& sink,
                              Stop& stop) override {
    return perform(request, &sink, stall, stop);
  }

 private:
  Result<HttpResponse> perform(const HttpRequest& request, const Sink* sink, Duration stall, Stop& stop) {
    const std::string what = request.method + " " + withoutQuery(request.url);
    TRY_CTX(checkRequest(request), "{}", what);
    TRY(stop.check(what));
    std::string origin = originOf(request.url);
    Easy handle = pool_.take(origin);
    if (!handle) return makeError(Code::kResourceExhausted, "{}: no memory for a request", what);
    Transfer transfer;
    transfer.handle = handle.get();
    transfer.request = &request;
    transfer.sink = sink;
    transfer.stop = &stop;
    const HeaderList headers = headerList(request);
    std::array<char, CURL_ERROR_SIZE> cause{};
    configure(transfer, headers.get(), cause.data(), stall);
    const CURLcode code = curl_easy_perform(handle.get());
    transfer.response.status = transfer.status();
    pool_.put(std::move(origin), std::move(handle));
    if (transfer.refusal) return std::move(*transfer.refusal).withContext(what);
    if (code == CURLE_OK) return std::move(transfer.response);
    return failure(code, what, cause[0] != '\0' ? cause.data() : curl_easy_strerror(code), stall, stop);
  }

  static Error failure(CURLcode code, const std::string& what, std::string_view cause, Duration stall,
                       Stop& stop) {
    const Code why = codeOfCurl(code);
    if (why == Code::kDeadlineExceeded || why == Code::kCancelled) {
      if (Result<void> stopped = stop.check(what); !stopped) return std::move(stopped).error();
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
      return makeError(Code::kDeadlineExceeded, "{}: no answer or no data for {}: {}", what,
                       formatDuration(stall), cause);
    }
    return makeError(why, "{}: {}", what, cause);
  }

  void configure(Transfer& transfer, curl_slist* headers, char* cause, Duration stall) const {
    CURL* const handle = transfer.handle;
    const HttpRequest& request = *transfer.request;
    curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, cause);
    curl_easy_setopt(handle, CURLOPT_USERAGENT, "keelson/" KEELSON_VERSION);
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(handle, CURLOPT_NOPROXY, no_proxy_.c_str());
    curl_easy_setopt(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(handle, CURLOPT_BUFFERSIZE, kReceiveBuffer);
    if (request.method == "HEAD") curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
    if (request.method == "POST") {
      curl_easy_setopt(handle, CURLOPT_POST, 1L);
      curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.body.data());
    }
    if (!request.ca_file.empty()) curl_easy_setopt(handle, CURLOPT_CAINFO, request.ca_file.c_str());
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, request.verify_tls ? 1L : 0L);
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, request.verify_tls ? 2L : 0L);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &onHeader);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, &transfer);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &onBody);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, &onProgress);
    curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &transfer);
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, kStallBytesPerSecond);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, (millisecondsOf(stall) + 999) / 1000);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, millisecondsOf(kConnectTimeout));
    if (transfer.stop->deadline() != SteadyTime::max()) {
      const Duration left = transfer.stop->deadline() - std::chrono::steady_clock::now();
      curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, millisecondsOf(left));
    }
  }

  HandlePool pool_;
  std::string no_proxy_;
};

}  // namespace

std::unique_ptr<HttpClient> makeHttpClient() { return std::make_unique<CurlHttpClient>(); }

}  // namespace keelson
