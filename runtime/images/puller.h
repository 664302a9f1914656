// From an image name to a manifest, and from there to an image.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/http.h"
#include "runtime/images/ingest.h"
#include "runtime/images/reference.h"
#include "runtime/images/registry_config.h"

namespace keelson::runtime::images {

// Resolves a name at its mirrors and its registry, and lets Ingest do the rest. Pulls of one name with the
// same credentials share one pull. Any thread; blocks. Lives as long as the service.
class Puller {
 public:
  Puller(std::shared_ptr<ImageStore> store, Ingest& ingest, HttpClient& http, RegistryOptions registries,
         Platform platform);

  // See ImageService::pull().
  Result<std::shared_ptr<const Image>> pull(const Reference& reference,
                                            const std::vector<RegistryCredentials>& credentials,
                                            const Ingest::Progress& progress, Stop& stop);

 private:
  using Sessions = std::vector<std::shared_ptr<RegistrySession>>;
  Result<Sessions> sessionsFor(const Reference& reference,
                               const std::vector<RegistryCredentials>& credentials);
  Result<std::shared_ptr<const Image>> pullOnce(const Reference& reference,
                                                const std::vector<RegistryCredentials>& credentials,
                                                const Ingest::Progress& progress, Stop& stop);
  Result<std::shared_ptr<const Image>> reuse(const Reference& reference, const std::string& repo_digest);

  std::shared_ptr<ImageStore> store_;
  Ingest& ingest_;
  HttpClient& http_;
  RegistryOptions registries_;
  Platform platform_;
  SingleFlight<std::shared_ptr<const Image>> pulls_;
};

}  // namespace keelson::runtime::images
