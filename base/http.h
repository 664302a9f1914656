// A blocking HTTP(S) client for lanes: registries and small fetches (libcurl easy underneath).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/result.h"

namespace keelson {

struct HttpRequest {
  std::string method = "GET";  // GET, HEAD or POST
  std::string url;             // http:// or https://
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string ca_file;  // PEM; empty: the system's store
  bool verify_tls = true;
  size_t body_limit = size_t{8} << 20;  // for the body kept in HttpResponse
  // Redirects are not followed: the caller decides what goes where (credentials never follow).
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case; repeated ones joined by ", "
  std::string body;
};

// Sends requests on the calling thread. Any thread; connections are kept in a small pool and reused.
// A cancel is seen within about a second. Error texts name the URL without its query.
// Errors: kUnavailable (connect, TLS, reset; the text names the cause), kDeadlineExceeded (deadline,
// or less than 1 byte/s for `stall` seconds), kResourceExhausted (body over its limit), kCancelled.
// An HTTP error status is a response, not an error.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  virtual Result<HttpResponse> send(const HttpRequest& request, Stop& stop) = 0;
  // The body is handed over in pieces as it arrives; `sink` returning an error ends the transfer with it.
  // Only 2xx bodies reach `sink` (and are not kept); others are kept in the response as by send().
  virtual Result<HttpResponse> stream(const HttpRequest& request, Duration stall,
                                      const std::function<Result<void>(std::string_view)>& sink,
                                      Stop& stop) = 0;
};

std::unique_ptr<HttpClient> makeHttpClient();

}  // namespace keelson
