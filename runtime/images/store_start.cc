// The store's start: what an earlier life left is found again, the rest is cleaned up.
#include "runtime/images/digest.h"
#include "runtime/images/store.h"

namespace keelson::runtime::images {
namespace {

constexpr std::string_view kOciLayout = "{\"imageLayoutVersion\":\"1.0.0\"}\n";
constexpr size_t kMaxRecordBytes = size_t{1} << 20;
constexpr size_t kMaxMarkBytes = 128;

}  // namespace

Result<std::shared_ptr<ImageStore>> ImageStore::open(Options options) {
  std::shared_ptr<ImageStore> store(new ImageStore(std::move(options)));
  TRY_CTX(store->load(), "image store {}", store->options_.root);
  return store;
}

Result<void> ImageStore::load() {
  layout_ = TRY(StoreLayout::ensure(options_.root));
  TRY(layout_.root.writeFileAtomic("oci-layout", kOciLayout, 0644));
  for (const auto& entry : TRY(layout_.tmp.list())) left_in_tmp_.push_back(entry.name);
  for (const auto& entry : TRY(layout_.trash.list())) left_in_trash_.push_back(entry.name);
  for (const auto& entry : TRY(layout_.layers.list())) {
    auto loaded = loadLayer(entry.name);
    if (loaded) continue;
    broken_.add(std::move(loaded).error().withContext("layers/" + entry.name));
    if (!isMarked(entry.name)) broken_layers_.push_back(entry.name);  // a container may stand on it
  }
  for (const auto& entry : TRY(layout_.images.list())) {
    auto loaded = loadImage(entry.name);
    if (loaded) continue;
    // An interrupted write leaves a file beside: not worth a word.
    if (!entry.name.starts_with('.'))
      broken_.add(std::move(loaded).error().withContext("images/" + entry.name));
    broken_records_.push_back(entry.name);
  }
  publish();
  return {};
}

bool ImageStore::isMarked(const std::string& short_name) const {
  const auto mark = layout_.leases.readFile(short_name, kMaxMarkBytes);
  return mark.ok() && !options_.boot_id.empty() && *mark == options_.boot_id;
}

Result<void> ImageStore::loadLayer(const std::string& short_name) {
  const auto chain_id = TRY(
      decodeLayerRecord(TRY(layout_.layers.readFile(short_name + "/" + kLayerRecordFile, kMaxRecordBytes))));
  const bool inherited = isMarked(short_name);
  if (!inherited) TRY(layout_.leases.removeFile(short_name));
  const bool added = ledger_.with([&](StoreLedger& ledger) {
    return ledger.layers.emplace(chain_id, StoreLedger::Layer{short_name, 0, inherited}).second;
  });
  if (!added) return makeError(Code::kDataLoss, "a second layer {}", chain_id);
  return {};
}

Result<void> ImageStore::loadImage(const std::string& file) {
  auto record = TRY(decodeRecord(TRY(layout_.images.readFile(file, kMaxRecordBytes))));
  if (record.fileName() != file) return makeError(Code::kDataLoss, "the record is of image {}", record.id);
  for (const auto& layer : record.layers)
    if (!hasLayer(layer.chain_id))
      return makeError(Code::kDataLoss, "its layer {} is missing", layer.chain_id);
  for (const auto& blob : record.blobs())
    if (!hasBlob(blob)) return makeError(Code::kDataLoss, "its blob {} is missing", blob);
  auto image = TRY(readImage(record));
  ledger_.with([&](StoreLedger& ledger) { ledger.images[record.id] = {record, std::move(image)}; });
  return {};
}

ErrorList ImageStore::cleanUp() {
  ErrorList errors = std::exchange(broken_, {});
  for (const auto& name : std::exchange(left_in_tmp_, {})) errors.add(layout_.tmp.removeTree(name));
  for (const auto& file : std::exchange(broken_records_, {})) errors.add(layout_.images.removeFile(file));
  std::vector<std::string> trash = std::exchange(left_in_trash_, {});
  for (const auto& name : std::exchange(broken_layers_, {})) {
    auto moved = moveToTrash(layout_.layers, name);
    if (moved) {
      trash.push_back(std::move(moved).value());
    } else {
      errors.add(std::move(moved).error());
    }
  }
  errors.add(deleteTrash(std::move(trash)));
  std::vector<std::string> blobs;
  auto listed = layout_.blobs.list();
  if (!listed) errors.add(std::move(listed).error());
  if (listed)
    for (const auto& blob : *listed) {
      if (const auto digest = "sha256:" + blob.name; isDigest(digest)) {
        blobs.push_back(digest);
      } else {
        errors.add(layout_.blobs.removeTree(blob.name));
      }
    }
  const auto chain_ids = ledger_.with([](const StoreLedger& ledger) {
    std::vector<std::string> all;
    for (const auto& [chain_id, layer] : ledger.layers) all.push_back(chain_id);
    return all;
  });
  errors.add(collect(blobs, chain_ids));
  errors.add(writers_.with([&](WriterTurn&) { return writeView(); }));
  return errors;
}

}  // namespace keelson::runtime::images
