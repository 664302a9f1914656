#include "runtime/images/ingest.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <optional>
#include <thread>

#include "runtime/images/byte_source.h"
#include "runtime/images/digest.h"
#include "runtime/images/implicit_dirs.h"

namespace keelson::runtime::images {
namespace {

constexpr std::chrono::milliseconds kLook{20};  // between looks at the caller's stop while layers are made
constexpr int64_t kProgressStep = 1 << 20;      // bytes between two reports
constexpr int kMaxTurns = 16;  // for one layer: somebody else's failures before it is our own

// What the caller is told. Shared by the layer threads of one job.
class Meter {
 public:
  Meter(const Ingest::Progress& report, int64_t total)
      : report_(report), state_(State{{Bytes{0}, Bytes{total}, ""}, 0}) {}

  void step(const std::string& name) {
    if (!report_) return;
    state_.with([&](State& state) {
      state.now.step = name;
      report_(state.now);
    });
  }
  void add(int64_t bytes) {
    if (!report_) return;
    state_.with([&](State& state) {
      state.now.fetched += Bytes{bytes};
      if (state.now.fetched.value - state.reported < kProgressStep && state.now.fetched != state.now.total)
        return;
      state.reported = state.now.fetched.value;
      report_(state.now);
    });
  }

 private:
  struct State {
    PullProgress now;
    int64_t reported = 0;
  };
  const Ingest::Progress& report_;
  Guarded<State> state_;
};

bool isCodeOfCaller(Code code) { return code == Code::kCancelled; }

}  // namespace

struct Ingest::LayerJob {
  Descriptor blob;
  std::string diff_id;
  std::string chain_id;
  // Unpacked but waiting for the layers below, because it has directories it does not describe.
  std::optional<LayerStaging> staging;
  std::vector<std::string> implicit_dirs;
};

struct Ingest::Job {
  std::vector<LayerJob> layers;
  BlobFetcher* fetcher = nullptr;
  Meter meter;
  std::atomic<size_t> next{0};
};

Result<std::string> Ingest::fetchConfig(const Descriptor& config, BlobFetcher* fetcher, Stop& stop) {
  if (config.size > static_cast<int64_t>(kMaxConfigBytes))
    return makeError(Code::kResourceExhausted,
                     "image configuration of {} bytes, no more than {} are supported", config.size,
                     kMaxConfigBytes);
  if (store_->hasBlob(config.digest)) {
    // A damaged file here must not be for ever: it is fetched again.
    auto stored = store_->readBlob(config.digest, kMaxConfigBytes);
    if (stored || fetcher == nullptr) return stored;
  }
  if (fetcher == nullptr)
    return makeError(Code::kNotFound, "image configuration {} is missing", config.digest);
  std::string bytes;
  TRY_CTX(fetcher->fetch(
              config,
              [&](std::string_view piece) -> Result<void> {
                bytes += piece;
                return {};
              },
              stop),
          "image configuration");
  if (const auto actual = digestOf(bytes); actual != config.digest)
    return makeError(Code::kDataLoss, "image configuration has digest {}, not {}", actual, config.digest);
  TRY(store_->putBlob(config.digest, bytes));
  return bytes;
}

Result<std::shared_ptr<const Image>> Ingest::run(const IngestRequest& request, BlobFetcher* fetcher,
                                                 const Progress& progress, Stop& stop) {
  // Pinned before anything is looked for: what is found cannot be removed under our hands.
  std::vector<std::string> needed{request.manifest_digest, request.decoded.config.digest};
  for (const auto& layer : request.decoded.layers) needed.push_back(layer.digest);
  const auto blob_pin = store_->pin(needed);
  if (!store_->hasBlob(request.manifest_digest))
    TRY(store_->putBlob(request.manifest_digest, request.manifest));

  const auto config_bytes = TRY(fetchConfig(request.decoded.config, fetcher, stop));
  const auto config = TRY(decodeConfig(config_bytes));
  if (config.platform.os != hostPlatform().os && !config.platform.os.empty())
    return makeError(Code::kNotFound, "image is for {}, this node is {}", config.platform.str(),
                     hostPlatform().str());
  if (config.diff_ids.size() != request.decoded.layers.size())
    return makeError(Code::kDataLoss, "manifest has {} layers but the image configuration {}",
                     request.decoded.layers.size(), config.diff_ids.size());
  const auto chain = chainIds(config.diff_ids);
  const auto chain_pin = store_->pin(chain);

  int64_t total = 0;
  std::vector<LayerJob> layers;
  for (size_t i = 0; i < chain.size(); ++i) {
    layers.push_back({request.decoded.layers[i], config.diff_ids[i], chain[i], std::nullopt, {}});
    if (!store_->hasBlob(layers.back().blob.digest)) total += layers.back().blob.size;
  }
  Job job{std::move(layers), fetcher, Meter(progress, total), {}};
  job.meter.step("fetching");
  TRY(makeLayers(job, stop));
  job.meter.step("unpacking");
  TRY(commitDeferred(job));

  ImageRecord record;
  record.id = request.decoded.config.digest;
  record.config_size = static_cast<int64_t>(config_bytes.size());
  record.manifest_digest = request.manifest_digest;
  record.manifest_media_type = request.decoded.media_type;
  record.manifest_size = static_cast<int64_t>(request.manifest.size());
  record.tags = request.tags;
  record.digests = request.digests;
  record.pulled = clock_.wall();
  for (const auto& layer : job.layers)
    record.layers.push_back({layer.blob.digest, layer.blob.size, layer.chain_id});
  return store_->put(std::move(record));
}

// Runs the layers on a few threads, bottom first, and watches the caller's stop for them: the first failure
// ends all.
Result<void> Ingest::makeLayers(Job& job, Stop& stop) {
  Stop inner;
  const size_t workers = std::min(limits_.parallel_layers, job.layers.size());
  std::vector<std::future<Result<void>>> results;
  for (size_t i = 0; i < workers; ++i) {
    results.push_back(std::async(std::launch::async, [&]() -> Result<void> {
      for (size_t at = job.next++; at < job.layers.size(); at = job.next++) {
        auto& layer = job.layers[at];
        auto made = makeLayer(job, layer, inner);
        if (!made) {
          inner.cancel();
          return std::move(made).error().withContext("layer " + layer.blob.digest);
        }
      }
      return {};
    }));
  }
  std::optional<Error> first;
  for (auto& result : results) {
    while (result.wait_for(kLook) != std::future_status::ready)
      if (!stop.check("make layers")) inner.cancel();
    auto done = result.get();
    // The cause, not the cancellation that it set off in the others.
    if (!done && (!first || (isCodeOfCaller(first->code) && !isCodeOfCaller(done.error().code))))
      first = std::move(done).error();
  }
  TRY(stop.check("make layers"));
  if (first) return *first;
  return {};
}

Result<void> Ingest::makeLayer(Job& job, LayerJob& layer, Stop& stop) {
  for (int turn = 0; turn < kMaxTurns; ++turn) {
    const bool has_layer = store_->hasLayer(layer.chain_id) || layer.staging.has_value();
    const bool has_blob = store_->hasBlob(layer.blob.digest);
    if (has_layer && has_blob) return {};
    bool mine = false;
    const auto work = [&]() -> Result<bool> {
      mine = true;
      // Looked at again: the one before us may have just finished.
      if (store_->hasBlob(layer.blob.digest)) {
        if (!has_layer && !store_->hasLayer(layer.chain_id)) TRY(unpackStored(layer, stop));
      } else if (job.fetcher == nullptr) {
        return makeError(Code::kNotFound, "its blob is missing");
      } else if (has_layer) {
        TRY(fetchOnly(job, layer, stop));
      } else {
        TRY(fetchAndUnpack(job, layer, stop));
      }
      return true;
    };
    auto done = blobs_.run(layer.blob.digest, work, stop);
    // Another's failure may be due to his credentials or his stop; our own counts.
    if (!done && mine) return std::move(done).error();
    TRY(stop.check("make a layer"));
  }
  return makeError(Code::kUnavailable, "others failed to fetch it {} times", kMaxTurns);
}

Result<void> Ingest::fetchOnly(Job& job, LayerJob& layer, Stop& stop) {
  auto blob = TRY(store_->newBlob());
  TRY(job.fetcher->fetch(
      layer.blob,
      [&](std::string_view piece) -> Result<void> {
        job.meter.add(static_cast<int64_t>(piece.size()));
        return blob.write(piece);
      },
      stop));
  if (const auto actual = blob.finish(); actual != layer.blob.digest)
    return makeError(Code::kDataLoss, "content has digest {}", actual);
  return blob.commit(layer.blob.digest);
}

Result<void> Ingest::fetchAndUnpack(Job& job, LayerJob& layer, Stop& stop) {
  auto blob = TRY(store_->newBlob());
  auto staging = TRY(store_->newLayer());
  auto stream = TRY(makeStream());
  auto unpacking = std::async(std::launch::async, [&]() -> Result<UnpackedLayer> {
    // Closed on the way out, which ends a fetch that nobody reads any more.
    const UniqueFd reader = std::move(stream.reader);
    FdSource source(reader.get(), "layer", stop);
    return unpackLayer(source, staging.tree(), limits_.unpack, stop);
  });
  auto fetched = job.fetcher->fetch(
      layer.blob,
      [&](std::string_view piece) -> Result<void> {
        TRY(blob.write(piece));
        job.meter.add(static_cast<int64_t>(piece.size()));
        return sendAll(stream.writer.get(), piece, stop);
      },
      stop);
  stream.writer.reset();
  auto unpacked = unpacking.get();
  // "The unpacker stopped" is the echo of the unpacker's own error.
  if (!fetched && (unpacked || fetched.error().code != Code::kCancelled)) return fetched;
  if (fetched)
    if (const auto actual = blob.finish(); actual != layer.blob.digest)
      return makeError(Code::kDataLoss, "content has digest {}", actual);
  if (!unpacked) return std::move(unpacked).error().withContext("unpack");
  TRY(blob.commit(layer.blob.digest));
  return finishLayer(layer, std::move(staging), std::move(unpacked).value());
}

Result<void> Ingest::unpackStored(LayerJob& layer, Stop& stop) {
  auto staging = TRY(store_->newLayer());
  const auto blob = TRY(store_->openBlob(layer.blob.digest));
  FdSource file(blob.get(), "layer", stop);
  DigestSource source(file, "layer", kMaxBlobBytes);
  auto unpacked = TRY_CTX(unpackLayer(source, staging.tree(), limits_.unpack, stop), "unpack");
  if (const auto actual = TRY(source.finish()); actual != layer.blob.digest)
    return makeError(Code::kDataLoss, "its blob on disk was damaged: remove the image and pull it again");
  return finishLayer(layer, std::move(staging), std::move(unpacked));
}

Result<void> Ingest::finishLayer(LayerJob& layer, LayerStaging staging, UnpackedLayer unpacked) {
  if (unpacked.diff_id != layer.diff_id)
    return makeError(Code::kDataLoss, "unpacked content has digest {}, the image configuration says {}",
                     unpacked.diff_id, layer.diff_id);
  if (unpacked.implicit_dirs.empty())
    return store_->commitLayer(std::move(staging), layer.chain_id, layer.diff_id);
  layer.implicit_dirs = std::move(unpacked.implicit_dirs);
  layer.staging.emplace(std::move(staging));
  return {};
}

Result<void> Ingest::commitDeferred(Job& job) {
  std::vector<DirFd> below;  // top first
  for (auto& layer : job.layers) {
    if (layer.staging) {
      TRY_CTX(copyImplicitDirs(layer.staging->tree(), layer.implicit_dirs, below), "layer {}",
              layer.blob.digest);
      TRY(store_->commitLayer(std::move(*layer.staging), layer.chain_id, layer.diff_id));
      layer.staging.reset();
    }
    below.insert(below.begin(), TRY(store_->openLayer(layer.chain_id)));
  }
  return {};
}

}  // namespace keelson::runtime::images
