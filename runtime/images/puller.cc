#include "runtime/images/puller.h"

#include <algorithm>

#include "runtime/images/digest.h"

namespace keelson::runtime::images {
namespace {

constexpr int kMaxIndexDepth = 2;  // an index may point to an index once; nobody nests deeper

// Who pulls: others' success with other credentials says nothing about ours.
std::string flightKey(const Reference& reference, const std::vector<RegistryCredentials>& credentials) {
  std::string secret;
  for (const auto& one : credentials)
    secret += fmt::format("{}:{}{}:{}{}:{}", one.username.size(), one.username, one.password.size(),
                          one.password, one.identity_token.size(), one.identity_token);
  return reference.str() + " " + digestOf(secret);
}

// Errors of all who were asked, with the code of the last: the registry itself.
class Refusals {
 public:
  void add(Error error) {
    if (!text_.empty()) text_ += "; ";
    text_ += error.text;
    code_ = error.code;
  }
  Error error() const { return Error{code_, 0, text_}; }

 private:
  std::string text_;
  Code code_ = Code::kNotFound;
};

}  // namespace

Puller::Puller(std::shared_ptr<ImageStore> store, Ingest& ingest, HttpClient& http,
               RegistryOptions registries, Platform platform)
    : store_(std::move(store)),
      ingest_(ingest),
      http_(http),
      registries_(std::move(registries)),
      platform_(std::move(platform)) {}

Result<Puller::Sessions> Puller::sessionsFor(const Reference& reference,
                                             const std::vector<RegistryCredentials>& credentials) {
  Sessions sessions;
  const auto registry = TRY(endpointFor(reference.domain, registries_));
  for (const auto& mirror : registry.options.mirrors) {
    auto endpoint = TRY_CTX(endpointFor(mirror, registries_), "mirror of {}", reference.domain);
    sessions.push_back(
        std::make_shared<RegistrySession>(std::move(endpoint), reference.path, std::nullopt, http_));
  }
  for (const auto& one : credentials)
    sessions.push_back(std::make_shared<RegistrySession>(registry, reference.path, one, http_));
  if (credentials.empty())
    sessions.push_back(std::make_shared<RegistrySession>(registry, reference.path, std::nullopt, http_));
  return sessions;
}

Result<std::shared_ptr<const Image>> Puller::pull(const Reference& reference,
                                                  const std::vector<RegistryCredentials>& credentials,
                                                  const Ingest::Progress& progress, Stop& stop) {
  return TRY_CTX(pulls_.run(
                     flightKey(reference, credentials),
                     [&] { return pullOnce(reference, credentials, progress, stop); }, stop),
                 "pull {}", reference.str());
}

// The image whose index or manifest the registry named is here already: it only gets the name.
Result<std::shared_ptr<const Image>> Puller::reuse(const Reference& reference,
                                                   const std::string& repo_digest) {
  for (const auto& image : *store_->images()) {
    if (std::find(image->repo_digests.begin(), image->repo_digests.end(), repo_digest) ==
        image->repo_digests.end())
      continue;
    if (reference.tag.empty() || !reference.digest.empty()) return image;
    const auto tag = reference.str();
    if (std::find(image->repo_tags.begin(), image->repo_tags.end(), tag) != image->repo_tags.end())
      return image;
    return store_->addTag(image->id, tag);
  }
  return std::shared_ptr<const Image>();
}

Result<std::shared_ptr<const Image>> Puller::pullOnce(const Reference& reference,
                                                      const std::vector<RegistryCredentials>& credentials,
                                                      const Ingest::Progress& progress, Stop& stop) {
  if (progress) progress({Bytes{0}, Bytes{0}, "resolving"});
  auto sessions = TRY(sessionsFor(reference, credentials));
  Refusals refusals;
  std::string digest;
  while (!sessions.empty() && digest.empty()) {
    auto resolved =
        sessions.front()->resolve(reference.digest.empty() ? reference.tag : reference.digest, stop);
    if (resolved) {
      digest = std::move(resolved).value();
      break;
    }
    refusals.add(std::move(resolved).error());
    TRY(stop.check("resolve"));
    sessions.erase(sessions.begin());
  }
  if (digest.empty()) return refusals.error();
  if (!reference.digest.empty() && digest != reference.digest)
    return makeError(Code::kDataLoss, "registry {} answers {} to {}", sessions.front()->host(), digest,
                     reference.digest);

  const auto repo_digest = reference.repository() + "@" + digest;
  if (auto image = TRY(reuse(reference, repo_digest))) return image;

  IngestRequest request;
  if (reference.digest.empty()) request.tags.push_back(reference.str());
  request.digests.push_back(repo_digest);
  request.manifest_digest = digest;
  for (int depth = 0;; ++depth) {
    Result<RegistrySession::Manifest> manifest = makeError(Code::kNotFound, "no registry");
    for (const auto& session : sessions) {
      manifest = session->manifest(request.manifest_digest, stop);
      if (manifest) break;
      TRY(stop.check("fetch manifest"));
    }
    const auto fetched = TRY(std::move(manifest));
    auto document = TRY(decodeManifest(fetched.bytes, fetched.content_type));
    if (const auto* index = std::get_if<ImageIndex>(&document)) {
      if (depth >= kMaxIndexDepth) return makeError(Code::kDataLoss, "indexes are nested too deeply");
      request.manifest_digest = TRY(pickPlatform(*index, platform_)).digest;
      continue;
    }
    request.manifest = fetched.bytes;
    request.decoded = std::get<ImageManifest>(std::move(document));
    break;
  }
  RegistryFetcher fetcher(std::move(sessions));
  return ingest_.run(request, &fetcher, progress, stop);
}

}  // namespace keelson::runtime::images
