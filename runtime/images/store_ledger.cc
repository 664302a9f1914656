#include "runtime/images/store_ledger.h"

#include <algorithm>

#include "runtime/images/digest.h"

namespace keelson::runtime::images {
namespace {

constexpr size_t kShortDigits = 10;

void mergeSorted(std::vector<std::string>& into, const std::vector<std::string>& from) {
  into.insert(into.end(), from.begin(), from.end());
  std::sort(into.begin(), into.end());
  into.erase(std::unique(into.begin(), into.end()), into.end());
}

}  // namespace

bool StoreLedger::isBlobNeeded(const std::string& digest) const {
  if (pins.contains(digest)) return true;
  for (const auto& [id, entry] : images) {
    const auto blobs = entry.record.blobs();
    if (std::find(blobs.begin(), blobs.end(), digest) != blobs.end()) return true;
  }
  return false;
}

bool StoreLedger::isLayerNeeded(const std::string& chain_id) const {
  if (pins.contains(chain_id)) return true;
  if (const auto layer = layers.find(chain_id); layer != layers.end())
    if (layer->second.leases > 0 || layer->second.inherited) return true;
  return std::any_of(images.begin(), images.end(), [&](const auto& item) {
    const auto& of_image = item.second.record.layers;
    return std::any_of(of_image.begin(), of_image.end(),
                       [&](const ImageRecord::Layer& layer) { return layer.chain_id == chain_id; });
  });
}

std::string StoreLedger::shortNameFor(const std::string& chain_id) const {
  const auto hex = digestHex(chain_id);
  for (size_t digits = kShortDigits; digits < hex.size(); ++digits) {
    const auto name = hex.substr(0, digits);
    const bool taken = std::any_of(layers.begin(), layers.end(),
                                   [&](const auto& layer) { return layer.second.short_name == name; });
    if (!taken) return name;
  }
  return hex;
}

std::vector<ImageRecord> StoreLedger::planPut(ImageRecord added) const {
  if (const auto same = images.find(added.id); same != images.end()) {
    mergeSorted(added.tags, same->second.record.tags);
    mergeSorted(added.digests, same->second.record.digests);
  } else {
    mergeSorted(added.tags, {});
    mergeSorted(added.digests, {});
  }
  std::vector<ImageRecord> changed;
  for (const auto& [id, entry] : images) {
    if (id == added.id) continue;
    ImageRecord other = entry.record;
    std::erase_if(other.tags, [&](const std::string& tag) {
      return std::binary_search(added.tags.begin(), added.tags.end(), tag);
    });
    if (other.tags.size() != entry.record.tags.size()) changed.push_back(std::move(other));
  }
  changed.push_back(std::move(added));
  return changed;
}

}  // namespace keelson::runtime::images
