// Images on this node: find, pull, import, remove, and their layers as descriptors.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/fs.h"
#include "base/result.h"
#include "runtime/images/image.h"

namespace keelson::runtime {

struct RegistryCredentials {
  std::string username;
  std::string password;
  std::string identity_token;
};

// The unpacked layers of one image, top first (the order of overlayfs' lowerdir), held open: the
// layers cannot be removed while this lives.
struct ImageLayers {
  std::vector<DirFd> top_first;
  std::shared_ptr<void> lease;
};

struct PullProgress {
  Bytes fetched;
  Bytes total;       // 0 while unknown
  std::string step;  // "resolving", "fetching", "unpacking"
};

// The image store and its puller. Any thread; pull and import block on the caller's lane.
class ImageService {
 public:
  virtual ~ImageService() = default;

  // The image a Kubernetes image string names on this node: by tag, by digest, or by image id
  // ("sha256:..."); nullptr if it is not here. kInvalidArgument: the name cannot be parsed.
  virtual Result<std::shared_ptr<const Image>> find(const std::string& reference) const = 0;
  virtual std::vector<std::shared_ptr<const Image>> list() const = 0;

  // Resolves, fetches what is missing, checks every digest, unpacks; concurrent pulls of one image
  // or layer share the work. Errors: kInvalidArgument (name), kNotFound (no such image or
  // platform), kPermissionDenied (401/403), kUnavailable (registry, TLS, network), kDeadlineExceeded,
  // kDataLoss (digest), kResourceExhausted (disk, limits); the text says what to do.
  virtual Result<std::shared_ptr<const Image>> pull(const std::string& reference,
                                                    const std::vector<RegistryCredentials>& credentials,
                                                    const std::function<void(const PullProgress&)>& progress,
                                                    Stop& stop) = 0;

  // An OCI archive or a `docker save` archive, plain or compressed, read from `fd` to its end.
  // `name` is the reference for an archive that carries none. Returns the images it held.
  virtual Result<std::vector<std::shared_ptr<const Image>>> importArchive(int fd, const std::string& name,
                                                                          Stop& stop) = 0;

  // Untags; the image goes with its last tag or digest reference, its layers with their last image and lease.
  virtual Result<void> remove(const std::string& reference) = 0;

  // Only `image.layer_chain_ids` counts (`id` is for texts): it works for an image removed meanwhile whose
  // layers are still leased. kNotFound when a layer is not here.
  virtual Result<ImageLayers> openLayers(const Image& image) const = 0;

  // At start: half-fetched blobs, half-unpacked layers and trash of an earlier life go.
  virtual ErrorList cleanUp() = 0;
};

}  // namespace keelson::runtime
