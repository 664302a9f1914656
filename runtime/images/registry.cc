#include "runtime/images/registry.h"

#include <algorithm>

#include "runtime/images/digest.h"
#include "runtime/images/json_field.h"

namespace keelson::runtime::images {
namespace {

constexpr int kMaxRedirects = 5;
constexpr size_t kMaxErrorBody = 64 << 10;
constexpr size_t kShownBytes = 200;
constexpr Duration kStall =
    std::chrono::minutes(5);  // without a byte; containerd's image_pull_progress_timeout

std::string acceptedManifests() {
  return fmt::format("{}, {}, {}, {}", kOciIndex, kOciManifest, kDockerIndex, kDockerManifest);
}

std::string header(const HttpResponse& response, const std::string& name) {
  const auto found = response.headers.find(name);
  return found == response.headers.end() ? std::string() : found->second;
}

bool isRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// The first error of the registry's own error document, made fit for a log line.
std::string errorText(const HttpResponse& response) {
  const auto value = parseJson(response.body, kMaxErrorBody);
  if (!value || !value->is_object()) return {};
  const auto errors = arrayField(value->get_object(), "errors");
  if (!errors || *errors == nullptr || (*errors)->empty() || !(*errors)->front().is_object()) return {};
  const auto& first = (*errors)->front().get_object();
  std::string text = stringField(first, "code").valueOr("") + " " + stringField(first, "message").valueOr("");
  text.resize(std::min(text.size(), kShownBytes));
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  return ": " + text;
}

}  // namespace

RegistrySession::RegistrySession(Endpoint endpoint, std::string repository,
                                 std::optional<RegistryCredentials> credentials, HttpClient& http)
    : endpoint_(std::move(endpoint)),
      repository_(std::move(repository)),
      credentials_(std::move(credentials)),
      http_(http) {}

Error RegistrySession::refusal(const HttpResponse& response, std::string_view what) const {
  const auto text = errorText(response);
  switch (response.status) {
    case 401:
    case 403:
      return makeError(
          Code::kPermissionDenied,
          "registry {} denies {} {} ({}{}): check the name and the credentials (imagePullSecrets)", host(),
          repository_, what, response.status, text);
    case 404:
      return makeError(Code::kNotFound, "registry {} has no {} {} (404{}): check name and tag", host(),
                       repository_, what, text);
    case 429:
      return makeError(Code::kUnavailable,
                       "registry {} limits requests (429{}): wait, give credentials, or configure a mirror",
                       host(), text);
    default:
      break;
  }
  const bool may_pass = response.status >= 500 || response.status == 408;
  return makeError(may_pass ? Code::kUnavailable : Code::kDataLoss, "registry {} answers {} to {} {}{}",
                   host(), response.status, repository_, what, text);
}

Result<HttpResponse> RegistrySession::ask(const Ask& ask, Stop& stop) {
  Url url = endpoint_.base;
  url.target = ask.target;
  bool answered = false;
  for (int hops = 0; hops <= kMaxRedirects + 1; ++hops) {
    const bool own = url.sameOrigin(endpoint_.base);
    HttpRequest request = makeRequest(endpoint_, url, ask.method);
    request.headers = ask.headers;
    request.body_limit = ask.body_limit;
    if (const auto authorization = authorization_.copy(); own && !authorization.empty())
      request.headers.emplace_back("Authorization", authorization);
    auto response = TRY_CTX(
        ask.sink != nullptr ? http_.stream(request, kStall, *ask.sink, stop) : http_.send(request, stop),
        "registry {}", host());
    if (response.status == 401 && own && !answered) {
      answered = true;
      authorization_.exchange(
          TRY(answerChallenge(header(response, "www-authenticate"), endpoint_,
                              "repository:" + repository_ + ":pull", credentials_, http_, stop)));
      continue;
    }
    if (!isRedirect(response.status)) return response;
    url = TRY_CTX(url.resolve(header(response, "location")), "registry {}", host());
    if (url.scheme == "http" && !endpoint_.allowsPlainHttp(url))
      return makeError(Code::kUnavailable,
                       "registry {} redirects to {} without TLS: allow plain http for that host or fix it",
                       host(), url.host.substr(0, kShownBytes));
  }
  return makeError(Code::kUnavailable, "registry {} redirects more than {} times", host(), kMaxRedirects);
}

Result<std::string> RegistrySession::resolve(const std::string& tag_or_digest, Stop& stop) {
  Ask head{"HEAD",
           fmt::format("/v2/{}/manifests/{}", repository_, tag_or_digest),
           {{"Accept", acceptedManifests()}},
           kMaxErrorBody,
           nullptr};
  const auto response = TRY(ask(head, stop));
  const auto digest = header(response, "docker-content-digest");
  if (response.status == 200 && isDigest(digest)) {
    if (isDigest(tag_or_digest) && digest != tag_or_digest)
      return makeError(Code::kDataLoss, "registry {} answers {} to {}", host(), digest, tag_or_digest);
    return digest;
  }
  // Some registries do not know HEAD or the header; the content itself says its digest.
  if (response.status == 200 || response.status == 405) {
    auto actual = digestOf(TRY(fetchManifest(tag_or_digest, stop)).bytes);
    const bool is_pinned = tag_or_digest.find(':') != std::string::npos;  // no tag has one
    if (is_pinned && actual != tag_or_digest)
      return makeError(Code::kDataLoss, "registry {} sent {} for {}", host(), actual, tag_or_digest);
    return actual;
  }
  return refusal(response, tag_or_digest);
}

Result<RegistrySession::Manifest> RegistrySession::fetchManifest(const std::string& tag_or_digest,
                                                                 Stop& stop) {
  Ask get{"GET",
          fmt::format("/v2/{}/manifests/{}", repository_, tag_or_digest),
          {{"Accept", acceptedManifests()}},
          kMaxManifestBytes,
          nullptr};
  auto response = TRY(ask(get, stop));
  if (response.status != 200) return refusal(response, tag_or_digest);
  return Manifest{std::move(response.body), header(response, "content-type")};
}

Result<RegistrySession::Manifest> RegistrySession::manifest(const std::string& digest, Stop& stop) {
  auto manifest = TRY(fetchManifest(digest, stop));
  if (const auto actual = digestOf(manifest.bytes); actual != digest)
    return makeError(Code::kDataLoss, "registry {} sent a manifest with digest {} for {}", host(), actual,
                     digest);
  return manifest;
}

// HttpClient::stream() tells the status only when all is over, so this is asked before.
bool RegistrySession::servesRange(const std::string& target, int64_t offset, Stop& stop) {
  Ask probe{"GET", target, {{"Range", fmt::format("bytes={}-{}", offset, offset)}}, 1, nullptr};
  const auto response = ask(probe, stop);
  return response.ok() && response->status == 206 &&
         header(*response, "content-range").starts_with(fmt::format("bytes {}-{}", offset, offset));
}

Result<void> RegistrySession::blob(const std::string& digest, int64_t offset, const Sink& sink, Stop& stop) {
  const auto target = fmt::format("/v2/{}/blobs/{}", repository_, digest);
  const bool ranged = offset > 0 && servesRange(target, offset, stop);
  int64_t to_drop = ranged ? 0 : offset;
  const Sink from_offset = [&](std::string_view piece) -> Result<void> {
    const auto dropped = std::min<int64_t>(to_drop, static_cast<int64_t>(piece.size()));
    to_drop -= dropped;
    piece.remove_prefix(static_cast<size_t>(dropped));
    return piece.empty() ? Result<void>() : sink(piece);
  };
  Ask get{"GET", target, {}, kMaxErrorBody, &from_offset};
  if (ranged) get.headers.emplace_back("Range", fmt::format("bytes={}-", offset));
  const auto response = TRY(ask(get, stop));
  if (response.status == (ranged ? 206 : 200)) return {};
  if (response.status / 100 == 2)
    return makeError(Code::kDataLoss, "registry {} answers {} to a request for blob {}", host(),
                     response.status, digest);
  return refusal(response, "blob " + digest);
}

}  // namespace keelson::runtime::images
