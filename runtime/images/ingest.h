// Makes a manifest's image whole on this node.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/guarded.h"
#include "runtime/images/blob_fetcher.h"
#include "runtime/images/layer_writer.h"
#include "runtime/images/single_flight.h"
#include "runtime/images/store.h"
#include "runtime/images/unpack.h"

namespace keelson::runtime::images {

struct IngestRequest {
  std::string manifest_digest;
  std::string manifest;  // its bytes
  ImageManifest decoded;
  std::vector<std::string> tags;  // full references to give it
  std::vector<std::string> digests;
};

// The one way into the store, for pulls and archives: fetches what is missing, checks every digest, unpacks
// layers while they arrive, several at once, then records the image. Work on a blob is shared by all who
// need it at the same time. Any thread; blocks. Lives as long as the service.
//
// A layer's two ends run in two threads joined by a socket: one fetches, digests and keeps the blob, the
// other inflates and writes the tree. Whiteouts need nothing from the layers below, so layers do not wait
// for each other; only one that leaves directories undescribed is finished after those below it.
class Ingest {
 public:
  struct Limits {
    size_t parallel_layers = 3;
    UnpackLimits unpack;
  };
  Ingest(std::shared_ptr<ImageStore> store, Clock& clock, Limits limits)
      : store_(std::move(store)), clock_(clock), limits_(limits) {}

  using Progress = std::function<void(const PullProgress&)>;
  // `fetcher` null: everything must be in the store already. `progress` may be empty; its calls come
  // from several threads but one at a time.
  Result<std::shared_ptr<const Image>> run(const IngestRequest& request, BlobFetcher* fetcher,
                                           const Progress& progress, Stop& stop);

 private:
  struct LayerJob;
  struct Job;
  Result<std::string> fetchConfig(const Descriptor& config, BlobFetcher* fetcher, Stop& stop);
  Result<void> makeLayers(Job& job, Stop& stop);
  Result<void> makeLayer(Job& job, LayerJob& layer, Stop& stop);
  Result<void> fetchAndUnpack(Job& job, LayerJob& layer, Stop& stop);
  Result<void> fetchOnly(Job& job, LayerJob& layer, Stop& stop);
  Result<void> unpackStored(LayerJob& layer, Stop& stop);
  Result<void> finishLayer(LayerJob& layer, LayerStaging staging, UnpackedLayer unpacked);
  Result<void> commitDeferred(Job& job);

  std::shared_ptr<ImageStore> store_;
  Clock& clock_;
  Limits limits_;
  SingleFlight<bool> blobs_;  // by digest
};

}  // namespace keelson::runtime::images
