// A conversation with one registry about one repository.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/guarded.h"
#include "base/http.h"
#include "runtime/images/manifest.h"
#include "runtime/images/registry_auth.h"

namespace keelson::runtime::images {

// Speaks the OCI distribution protocol to one endpoint with one set of credentials (or none), keeping the
// token it got. Credentials and tokens go to the endpoint's own origin (and its token server) only, never
// along a redirect. Owned by one pull; its layer threads share it.
// https://github.com/opencontainers/distribution-spec/blob/main/spec.md
//
// Errors: kNotFound, kPermissionDenied, kUnavailable (network, TLS, 429, 5xx: later may work), kDataLoss
// (digest, protocol), kDeadlineExceeded, kCancelled. Each names the host and what to check.
class RegistrySession {
 public:
  RegistrySession(Endpoint endpoint, std::string repository, std::optional<RegistryCredentials> credentials,
                  HttpClient& http);

  const std::string& host() const { return endpoint_.base.host; }

  // The digest that a tag (or a digest) stands for now.
  Result<std::string> resolve(const std::string& tag_or_digest, Stop& stop);

  struct Manifest {
    std::string bytes;  // whose digest is the one asked for
    std::string content_type;
  };
  Result<Manifest> manifest(const std::string& digest, Stop& stop);

  using Sink = std::function<Result<void>(std::string_view)>;
  // Hands the blob's bytes from `offset` on to `sink`. Where the registry cannot begin in the middle, what
  // comes before is read and dropped.
  Result<void> blob(const std::string& digest, int64_t offset, const Sink& sink, Stop& stop);

 private:
  struct Ask {
    std::string method;
    std::string target;
    std::vector<std::pair<std::string, std::string>> headers;
    size_t body_limit = 0;
    const Sink* sink = nullptr;  // 2xx bodies go there
  };
  Result<HttpResponse> ask(const Ask& ask, Stop& stop);
  Error refusal(const HttpResponse& response, std::string_view what) const;
  Result<Manifest> fetchManifest(const std::string& tag_or_digest, Stop& stop);
  bool servesRange(const std::string& target, int64_t offset, Stop& stop);

  const Endpoint endpoint_;
  const std::string repository_;
  const std::optional<RegistryCredentials> credentials_;
  HttpClient& http_;
  Guarded<std::string> authorization_;
};

}  // namespace keelson::runtime::images
