// Registries in this process, behind the HttpClient interface.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/guarded.h"
#include "base/http.h"
#include "base/json.h"
#include "base/sha256.h"

namespace keelson::fakes {

// What one host serves, and how it misbehaves. Set up before use; the fake guards its own counters.
struct FakeHost {
  enum class Auth { kNone, kBasic, kBearer };
  Auth auth = Auth::kNone;
  std::string username = "ada", password = "secret", identity_token;
  bool anonymous_token = true;  // kBearer: a token without credentials is good enough to pull
  std::string token_realm = "https://auth.example/token";
  std::string redirect_blobs_to;  // host of a blob storage: GET of a blob answers 307
  bool ranges = true;
  bool knows_head = true;
  bool says_digest = true;
  bool down = false;
  int fail_status = 0;                        // answers this to everything
  std::map<std::string, size_t> break_after;  // blob digest -> bytes before the connection breaks, once each
  struct Manifest {
    std::string bytes, type;
  };
  std::map<std::string, std::map<std::string, Manifest>>
      manifests;                             // repository -> tag or digest -> manifest
  std::map<std::string, std::string> blobs;  // digest -> content (may lie)

  std::string addBlob(const std::string& content) {
    const auto digest = "sha256:" + sha256Hex(content);
    blobs[digest] = content;
    return digest;
  }
  std::string addManifest(const std::string& repository, const std::string& tag, const std::string& bytes,
                          const std::string& type) {
    const auto digest = "sha256:" + sha256Hex(bytes);
    manifests[repository][digest] = {bytes, type};
    if (!tag.empty()) manifests[repository][tag] = {bytes, type};
    return digest;
  }
};

struct SeenRequest {
  std::string method, url, authorization, range, body;
  bool verify_tls = true;
  std::string ca_file;
};

// Strict: refuses http:// unless the host is listed as plain, unknown hosts, requests without Accept for
// manifests, and tokens it did not issue.
class FakeRegistry : public HttpClient {
 public:
  std::map<std::string, FakeHost> hosts;  // "registry-1.docker.io", "127.0.0.1:5000"
  std::set<std::string> plain_hosts;
  std::function<void(const HttpRequest&)> before_answer;

  std::vector<SeenRequest> seen() const { return seen_.copy(); }
  size_t count(const std::string& method, const std::string& part) const {
    const auto all = seen();
    return static_cast<size_t>(std::count_if(all.begin(), all.end(), [&](const SeenRequest& one) {
      return one.method == method && one.url.find(part) != std::string::npos;
    }));
  }

  Result<HttpResponse> send(const HttpRequest& request, Stop& stop) override {
    auto answer = respond(request, stop);
    if (!answer) return std::move(answer).error();
    if (request.method == "HEAD") answer->response.body.clear();
    if (answer->response.body.size() > request.body_limit)
      return makeError(Code::kResourceExhausted, "body over its limit");
    return std::move(answer->response);
  }

  Result<HttpResponse> stream(const HttpRequest& request, Duration,
                              const std::function<Result<void>(std::string_view)>& sink,
                              Stop& stop) override {
    auto answered = respond(request, stop);
    if (!answered) return std::move(answered).error();
    Answer answer = std::move(answered).value();
    if (answer.response.status / 100 != 2) return answer.response;
    const std::string body = std::exchange(answer.response.body, "");
    const size_t end = std::min(body.size(), answer.breaks_at.value_or(body.size()));
    constexpr size_t kPiece = 1000;
    for (size_t at = 0; at < end; at += kPiece) {
      if (auto may = stop.check("stream"); !may) return std::move(may).error();
      auto taken = sink(std::string_view(body).substr(at, std::min(kPiece, end - at)));
      if (!taken) return std::move(taken).error();
    }
    if (answer.breaks_at) return makeError(Code::kUnavailable, "connection reset by peer");
    return answer.response;
  }

 private:
  struct Answer {
    HttpResponse response;
    std::optional<size_t> breaks_at;
  };

  static std::string headerOf(const HttpRequest& request, const std::string& name) {
    for (const auto& [key, value] : request.headers)
      if (key == name) return value;
    return "";
  }
  static Answer plain(int status, std::string body = "", std::map<std::string, std::string> headers = {}) {
    return {{status, std::move(headers), std::move(body)}, std::nullopt};
  }

  Result<Answer> respond(const HttpRequest& request, Stop& stop) {
    if (auto may = stop.check("send"); !may) return std::move(may).error();
    if (before_answer) before_answer(request);
    seen_.with([&](std::vector<SeenRequest>& seen) {
      seen.push_back({request.method, request.url, headerOf(request, "Authorization"),
                      headerOf(request, "Range"), request.body, request.verify_tls, request.ca_file});
    });
    const size_t scheme = request.url.find("://");
    const size_t slash = request.url.find('/', scheme + 3);
    const auto name = request.url.substr(scheme + 3, slash - scheme - 3);
    const auto target = request.url.substr(slash);
    const bool is_plain = request.url.starts_with("http://");
    if (is_plain != plain_hosts.contains(name))
      return makeError(Code::kUnavailable, "{}: {}", name,
                       is_plain ? "connection refused" : "TLS handshake failed");
    if (target.starts_with("/token")) return token(request, target);
    const auto found = hosts.find(name);
    if (found == hosts.end()) return makeError(Code::kUnavailable, "could not resolve host {}", name);
    FakeHost& host = found->second;
    if (host.down) return makeError(Code::kUnavailable, "connect to {}: ECONNREFUSED", name);
    if (host.fail_status != 0) return plain(host.fail_status);
    if (auto refused = authorize(host, request)) return *refused;
    if (target.starts_with("/storage/")) return blob(host, request, target.substr(9));
    if (const size_t at = target.find("/blobs/"); at != std::string::npos) {
      const auto digest = target.substr(at + 7);
      if (!host.redirect_blobs_to.empty())
        return plain(307, "", {{"location", host.redirect_blobs_to + "/storage/" + digest}});
      return blob(host, request, digest);
    }
    if (const size_t at = target.find("/manifests/"); at != std::string::npos && target.starts_with("/v2/"))
      return manifest(host, request, target.substr(4, at - 4), target.substr(at + 11));
    return plain(404);
  }

  static std::optional<Answer> authorize(const FakeHost& host, const HttpRequest& request) {
    const auto given = headerOf(request, "Authorization");
    if (host.auth == FakeHost::Auth::kBasic) {
      // base64("ada:secret")
      if (given == "Basic YWRhOnNlY3JldA==") return std::nullopt;
      return plain(401, "", {{"www-authenticate", "Basic realm=\"fake\""}});
    }
    if (host.auth == FakeHost::Auth::kBearer && given != "Bearer good-token")
      return plain(
          401, R"({"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]})",
          {{"www-authenticate",
            fmt::format("Bearer realm=\"{}\",service=\"fake service\",scope=\"repository:team/app:pull\"",
                        host.token_realm)}});
    return std::nullopt;
  }

  Result<Answer> token(const HttpRequest& request, const std::string& target) {
    const auto given = headerOf(request, "Authorization");
    const bool by_refresh = request.method == "POST" &&
                            request.body.find("grant_type=refresh_token") != std::string::npos &&
                            request.body.find("refresh_token=long%2Blived") != std::string::npos;
    const bool by_password = given == "Basic YWRhOnNlY3JldA==";
    const bool anonymous_ok = std::any_of(hosts.begin(), hosts.end(), [](const auto& host) {
      return host.second.auth == FakeHost::Auth::kBearer && host.second.anonymous_token;
    });
    if (request.method == "GET" && target.find("service=fake%20service") == std::string::npos)
      return plain(400);
    if (by_refresh || by_password || (given.empty() && request.method == "GET" && anonymous_ok))
      return plain(200, by_refresh ? R"({"access_token":"good-token"})"
                                   : R"({"token":"good-token","expires_in":300})");
    return plain(401);
  }

  static Answer manifest(const FakeHost& host, const HttpRequest& request, const std::string& repository,
                         const std::string& reference) {
    if (headerOf(request, "Accept").find("oci.image.index") == std::string::npos) return plain(406);
    if (request.method == "HEAD" && !host.knows_head) return plain(405);
    const auto in = host.manifests.find(repository);
    if (in == host.manifests.end())
      return plain(404, R"({"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known"}]})");
    const auto found = in->second.find(reference);
    if (found == in->second.end())
      return plain(404, R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]})");
    std::map<std::string, std::string> headers{{"content-type", found->second.type}};
    if (host.says_digest) headers["docker-content-digest"] = "sha256:" + sha256Hex(found->second.bytes);
    return plain(200, found->second.bytes, headers);
  }

  static Answer blob(FakeHost& host, const HttpRequest& request, const std::string& digest) {
    const auto found = host.blobs.find(digest);
    if (found == host.blobs.end()) return plain(404);
    const std::string& content = found->second;
    const auto range = headerOf(request, "Range");
    Answer answer = plain(200, content);
    if (!range.empty() && host.ranges) {
      const size_t first = std::stoull(range.substr(6));
      const auto last_text = range.substr(range.find('-') + 1);
      const size_t last = last_text.empty() ? content.size() - 1 : std::stoull(last_text);
      if (first >= content.size()) return plain(416);
      answer = plain(206, content.substr(first, last - first + 1),
                     {{"content-range", fmt::format("bytes {}-{}/{}", first, last, content.size())}});
    }
    // Only whole-blob streams break; a probe of one byte does not.
    if (const auto breaks = host.break_after.find(digest);
        breaks != host.break_after.end() && answer.response.body.size() > 1) {
      answer.breaks_at = breaks->second;
      host.break_after.erase(breaks);
    }
    return answer;
  }

  Guarded<std::vector<SeenRequest>> seen_;
};

}  // namespace keelson::fakes
