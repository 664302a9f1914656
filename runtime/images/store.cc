#include "runtime/images/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/ids.h"
#include "runtime/images/digest.h"

namespace keelson::runtime::images {
namespace {

constexpr size_t kRandomBytes = 8;

Result<void> syncDirectory(const DirFd& directory, std::string_view name) {
  if (fsync(directory.get()) != 0) return sysError("sync {}", name);
  return {};
}

// The entry with the references of `record`.
StoreLedger::Entry renamed(const StoreLedger::Entry& entry, const ImageRecord& record) {
  Image image = *entry.image;
  image.repo_tags = record.tags;
  image.repo_digests = record.digests;
  return {record, std::make_shared<const Image>(std::move(image))};
}

}  // namespace

// ---- images ----

std::shared_ptr<const ImageStore::Images> ImageStore::images() const { return published_.copy(); }

Result<std::shared_ptr<const Image>> ImageStore::readImage(const ImageRecord& record) const {
  const auto config = TRY(readBlob(record.id, kMaxConfigBytes));
  return std::make_shared<const Image>(imageOf(record, TRY(decodeConfig(config))));
}

Result<void> ImageStore::writeRecord(const ImageRecord& record) const {
  TRY_CTX(layout_.images.writeFileAtomic(record.fileName(), encodeRecord(record)), "record of image {}",
          record.id);
  return {};
}

Result<std::shared_ptr<const Image>> ImageStore::put(ImageRecord record) {
  return writers_.with([&](WriterTurn&) -> Result<std::shared_ptr<const Image>> {
    // The content must not come to the disk later than the record that vouches for it.
    if (syncfs(layout_.root.get()) != 0) return sysError("sync the image store");
    const auto [changed, former_blobs] = ledger_.with([&](const StoreLedger& ledger) {
      const auto former = ledger.images.find(record.id);
      return std::pair(ledger.planPut(record), former == ledger.images.end() ? std::vector<std::string>()
                                                                             : former->second.record.blobs());
    });
    auto image = TRY_CTX(readImage(changed.back()), "image {}", record.id);
    for (const auto& next : changed) TRY(writeRecord(next));
    TRY(syncDirectory(layout_.images, "the image records"));
    ledger_.with([&](StoreLedger& ledger) {
      for (const auto& next : changed)
        if (next.id != record.id) ledger.images[next.id] = renamed(ledger.images[next.id], next);
      ledger.images[record.id] = {changed.back(), image};
    });
    publish();
    // A manifest with other compression replaced the former one: its blobs may be unneeded now.
    ErrorList left = collect(former_blobs, {});
    left.add(writeView());
    // The image is whole and recorded; the view and the leftovers are put right by the next change.
    static_cast<void>(left);
    return image;
  });
}

Result<std::shared_ptr<const Image>> ImageStore::addTag(const std::string& id, const std::string& tag) {
  auto found = ledger_.with([&](const StoreLedger& ledger) -> Result<ImageRecord> {
    const auto entry = ledger.images.find(id);
    if (entry == ledger.images.end()) return makeError(Code::kNotFound, "no image {}", id);
    return entry->second.record;
  });
  auto record = TRY(std::move(found));
  // Between this look and the writer's turn the image may go; its blobs are held so that put() stays true.
  std::vector<std::string> needed = record.blobs();
  for (const auto& layer : record.layers) needed.push_back(layer.chain_id);
  const auto pinned = pin(std::move(needed));
  for (const auto& layer : record.layers)
    if (!hasLayer(layer.chain_id)) return makeError(Code::kNotFound, "image {} is being removed", id);
  for (const auto& blob : record.blobs())
    if (!hasBlob(blob)) return makeError(Code::kNotFound, "image {} is being removed", id);
  record.tags.push_back(tag);
  return put(std::move(record));
}

Result<void> ImageStore::untag(const std::string& id, const Untag& untag) {
  return writers_.with([&](WriterTurn&) -> Result<void> {
    auto found = ledger_.with([&](const StoreLedger& ledger) -> Result<ImageRecord> {
      const auto entry = ledger.images.find(id);
      if (entry == ledger.images.end()) return makeError(Code::kNotFound, "no image {}", id);
      return entry->second.record;
    });
    const ImageRecord before = TRY(std::move(found));
    ImageRecord after = before;
    const auto without = [](std::vector<std::string>& from, const std::vector<std::string>& gone) {
      std::erase_if(from, [&](const std::string& name) {
        return std::find(gone.begin(), gone.end(), name) != gone.end();
      });
    };
    without(after.tags, untag.tags);
    without(after.digests, untag.digests);
    if (!untag.whole_image && (!after.tags.empty() || !after.digests.empty())) {
      TRY(writeRecord(after));
      TRY(syncDirectory(layout_.images, "the image records"));
      ledger_.with([&](StoreLedger& ledger) { ledger.images[id] = renamed(ledger.images[id], after); });
      publish();
      return writeView().result();
    }
    // The record goes first: an image without its blobs must never be believed whole.
    TRY(layout_.images.removeFile(before.fileName()));
    TRY(syncDirectory(layout_.images, "the image records"));
    ledger_.with([&](StoreLedger& ledger) { ledger.images.erase(id); });
    publish();
    ErrorList errors = writeView();
    std::vector<std::string> chain_ids;
    for (const auto& layer : before.layers) chain_ids.push_back(layer.chain_id);
    errors.add(collect(before.blobs(), chain_ids));
    return errors.result();
  });
}

void ImageStore::publish() {
  auto images = ledger_.with([](const StoreLedger& ledger) {
    Images all;
    for (const auto& [id, entry] : ledger.images) all.push_back(entry.image);
    return all;
  });
  published_.exchange(std::make_shared<const Images>(std::move(images)));
}

ErrorList ImageStore::writeView() const {
  const auto records = ledger_.with([](const StoreLedger& ledger) {
    std::vector<ImageRecord> all;
    for (const auto& [id, entry] : ledger.images) all.push_back(entry.record);
    return all;
  });
  ErrorList errors;
  errors.add(layout_.root.writeFileAtomic("index.json", renderIndex(records), 0644));
  return errors;
}

// ---- blobs ----

bool ImageStore::hasBlob(const std::string& digest) const {
  return faccessat(layout_.blobs.get(), digestHex(digest).c_str(), F_OK, 0) == 0;
}

Result<UniqueFd> ImageStore::openBlob(const std::string& digest) const {
  return TRY_CTX(layout_.blobs.openBeneath(digestHex(digest), O_RDONLY), "blob {}", digest);
}

Result<std::string> ImageStore::readBlob(const std::string& digest, size_t limit) const {
  auto content = TRY_CTX(layout_.blobs.readFile(digestHex(digest), limit), "blob {}", digest);
  if (digestOf(content) != digest) return makeError(Code::kDataLoss, "blob {} was damaged on disk", digest);
  return content;
}

Result<void> ImageStore::putBlob(const std::string& digest, std::string_view content) const {
  auto blob = TRY(newBlob());
  TRY(blob.write(content));
  if (const auto actual = blob.finish(); actual != digest)
    return makeError(Code::kDataLoss, "content has digest {}, not {}", actual, digest);
  return blob.commit(digest);
}

Result<UniqueFd> ImageStore::newTemporaryFile() const {
  UniqueFd fd(openat(layout_.tmp.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd) return sysError("make a temporary file in the image store");
  return fd;
}

// ---- layers ----

bool ImageStore::hasLayer(const std::string& chain_id) const {
  return ledger_.with([&](const StoreLedger& ledger) { return ledger.layers.contains(chain_id); });
}

Result<void> ImageStore::commitLayer(LayerStaging layer, const std::string& chain_id,
                                     const std::string& diff_id) {
  TRY(layer.directory().writeFileAtomic(kLayerRecordFile, encodeLayerRecord(chain_id, diff_id)));
  return ledger_.with([&](StoreLedger& ledger) -> Result<void> {
    if (ledger.layers.contains(chain_id)) return {};
    const auto name = ledger.shortNameFor(chain_id);
    if (renameat2(layout_.tmp.get(), layer.name().c_str(), layout_.layers.get(), name.c_str(),
                  RENAME_NOREPLACE) != 0)
      return sysError("put layer {} in place", chain_id);
    layer.release();
    ledger.layers[chain_id] = {name, 0, false};
    return {};
  });
}

Result<DirFd> ImageStore::openLayer(const std::string& chain_id) const {
  const auto name = ledger_.with([&](const StoreLedger& ledger) {
    const auto layer = ledger.layers.find(chain_id);
    return layer == ledger.layers.end() ? std::string() : layer->second.short_name;
  });
  if (name.empty()) return makeError(Code::kNotFound, "layer {} is not on this node", chain_id);
  return TRY_CTX(layout_.layers.openDir(name + "/fs"), "layer {}", chain_id);
}

// ---- what keeps things ----

std::shared_ptr<void> ImageStore::pin(std::vector<std::string> digests) {
  ledger_.with([&](StoreLedger& ledger) {
    for (const auto& digest : digests) ++ledger.pins[digest];
  });
  auto self = shared_from_this();
  return std::shared_ptr<void>(nullptr, [self, pinned = std::move(digests)](void*) {
    self->ledger_.with([&](StoreLedger& ledger) {
      for (const auto& digest : pinned)
        if (--ledger.pins[digest] == 0) ledger.pins.erase(digest);
    });
    // Nothing else took over what this pull left, or took away while this pin was held.
    static_cast<void>(self->collect(pinned, pinned));
  });
}

Result<ImageLayers> ImageStore::lease(const std::vector<std::string>& chain_ids) {
  auto counted = ledger_.with([&](StoreLedger& ledger) -> Result<void> {
    for (const auto& chain_id : chain_ids)
      if (!ledger.layers.contains(chain_id))
        return makeError(Code::kNotFound, "layer {} is not on this node", chain_id);
    for (const auto& chain_id : chain_ids) ++ledger.layers[chain_id].leases;
    return {};
  });
  TRY(std::move(counted));
  ImageLayers layers;
  layers.lease = std::shared_ptr<void>(
      nullptr, [self = shared_from_this(), chain_ids](void*) { self->endLease(chain_ids); });
  for (auto chain_id = chain_ids.rbegin(); chain_id != chain_ids.rend(); ++chain_id) {
    layers.top_first.push_back(TRY(openLayer(*chain_id)));
    const auto name =
        ledger_.with([&](const StoreLedger& ledger) { return ledger.layers.at(*chain_id).short_name; });
    // Not synced: the mark only has to outlive the daemon, not the boot.
    const auto mark =
        TRY_CTX(layout_.leases.openBeneath(name, O_WRONLY | O_CREAT, 0600), "lease layer {}", *chain_id);
    TRY_CTX(writeAll(mark.get(), options_.boot_id), "lease layer {}", *chain_id);
  }
  return layers;
}

void ImageStore::endLease(const std::vector<std::string>& chain_ids) {
  ledger_.with([&](StoreLedger& ledger) {
    for (const auto& chain_id : chain_ids) {
      auto& layer = ledger.layers[chain_id];
      if (--layer.leases == 0 && !layer.inherited)
        unlinkat(layout_.leases.get(), layer.short_name.c_str(), 0);
    }
  });
  static_cast<void>(collect({}, chain_ids));
}

void ImageStore::dropInheritedLeases() {
  const auto dropped = ledger_.with([&](StoreLedger& ledger) {
    std::vector<std::string> chain_ids;
    for (auto& [chain_id, layer] : ledger.layers) {
      if (!std::exchange(layer.inherited, false) || layer.leases > 0) continue;
      unlinkat(layout_.leases.get(), layer.short_name.c_str(), 0);
      chain_ids.push_back(chain_id);
    }
    return chain_ids;
  });
  static_cast<void>(collect({}, dropped));
}

Result<std::string> ImageStore::moveToTrash(const DirFd& from, const std::string& name) const {
  std::string trash = randomHex(kRandomBytes);
  if (renameat(from.get(), name.c_str(), layout_.trash.get(), trash.c_str()) != 0 && errno != ENOENT)
    return sysError("move {} to trash", name);
  return trash;
}

ErrorList ImageStore::collect(const std::vector<std::string>& blobs,
                              const std::vector<std::string>& chain_ids) {
  ErrorList errors;
  std::vector<std::string> trash;
  const auto move = [&](const DirFd& from, const std::string& name) {
    auto moved = moveToTrash(from, name);
    if (!moved) return errors.add(std::move(moved).error()), false;
    trash.push_back(std::move(moved).value());
    return true;
  };
  // Under the lock, so that no pull can count on a thing between the look and the rename.
  ledger_.with([&](StoreLedger& ledger) {
    for (const auto& digest : blobs)
      if (!ledger.isBlobNeeded(digest) && hasBlob(digest)) move(layout_.blobs, digestHex(digest));
    for (const auto& chain_id : chain_ids) {
      const auto layer = ledger.layers.find(chain_id);
      if (layer == ledger.layers.end() || ledger.isLayerNeeded(chain_id)) continue;
      if (move(layout_.layers, layer->second.short_name)) ledger.layers.erase(layer);
    }
  });
  errors.add(deleteTrash(std::move(trash)));
  return errors;
}

ErrorList ImageStore::deleteTrash(std::vector<std::string> names) {
  ErrorList errors;
  if (names.empty()) return errors;
  if (options_.lane == nullptr) {
    for (const auto& name : names) errors.add(layout_.trash.removeTree(name));
    return errors;
  }
  // What this cannot delete is deleted at the next start.
  options_.lane->post([self = shared_from_this(), names = std::move(names)] {
    for (const auto& name : names) static_cast<void>(self->layout_.trash.removeTree(name).ok());
  });
  return errors;
}

}  // namespace keelson::runtime::images
