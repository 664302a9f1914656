// The image service of this node: store, puller and importer behind one door.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/http.h"
#include "runtime/images/image_service.h"
#include "runtime/images/layer_writer.h"
#include "runtime/images/registry_config.h"

namespace keelson::runtime {

struct NativeImageOptions {
  std::string root = "/var/lib/keelson/images";
  RegistryOptions registries;
  size_t parallel_layers = 3;   // of one pull
  images::UnpackLimits unpack;  // of one layer
  std::string boot_id;          // empty: read from the kernel
  Lane* lane = nullptr;         // where removed layers are deleted; without one, in the calling thread
};

// The ImageService over a folder and registries. Owned by the agent; any thread. `http`, `clock` and the
// lane outlive it and every lease it gave.
class NativeImageService : public ImageService {
 public:
  // Loads what is on disk. kPermissionDenied, kResourceExhausted: the folder cannot be used. A broken record
  // costs only its image and is named by cleanUp().
  static Result<std::unique_ptr<NativeImageService>> open(NativeImageOptions options, HttpClient& http,
                                                          Clock& clock);
  ~NativeImageService() override;

  Result<std::shared_ptr<const Image>> find(const std::string& reference) const override;
  std::vector<std::shared_ptr<const Image>> list() const override;
  // The credentials are for the registry that the name holds; mirrors are asked without any.
  Result<std::shared_ptr<const Image>> pull(const std::string& reference,
                                            const std::vector<RegistryCredentials>& credentials,
                                            const std::function<void(const PullProgress&)>& progress,
                                            Stop& stop) override;
  Result<std::vector<std::shared_ptr<const Image>>> importArchive(int fd, const std::string& name,
                                                                  Stop& stop) override;
  // By tag: the tag goes, and with a repository's last tag the digest references of that repository. By
  // digest reference: that one. By id: the whole image. kNotFound if there is no such image.
  Result<void> remove(const std::string& reference) override;
  // Only layer_chain_ids of `image` counts, so a container found at start can be given its lease again
  // even when its image was removed.
  Result<ImageLayers> openLayers(const Image& image) const override;
  ErrorList cleanUp() override;

  // Layers in use when the former daemon of this boot ended are kept until this call. Call it when every
  // container found at start holds its lease again; without the call they stay until the next boot.
  void dropInheritedLeases();

 private:
  struct Impl;
  explicit NativeImageService(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::runtime
