// Where the content of an image comes from while it is taken in.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "runtime/images/manifest.h"
#include "runtime/images/registry.h"

namespace keelson::runtime::images {

// Any thread.
class BlobFetcher {
 public:
  virtual ~BlobFetcher() = default;
  using Sink = std::function<Result<void>(std::string_view)>;
  // Hands every byte of the blob to `sink`, once and in order; exactly descriptor.size bytes, or it is
  // kDataLoss. The digest is the receiver's to check. Ends with the sink's error if that fails.
  virtual Result<void> fetch(const Descriptor& blob, const Sink& sink, Stop& stop) = 0;
};

// Fetches from registries in order of preference: goes on where it stopped when a connection breaks, and
// moves to the next registry when one cannot deliver. Owned by one pull.
class RegistryFetcher : public BlobFetcher {
 public:
  explicit RegistryFetcher(std::vector<std::shared_ptr<RegistrySession>> sessions)
      : sessions_(std::move(sessions)) {}
  Result<void> fetch(const Descriptor& blob, const Sink& sink, Stop& stop) override;

 private:
  std::vector<std::shared_ptr<RegistrySession>> sessions_;
};

}  // namespace keelson::runtime::images
