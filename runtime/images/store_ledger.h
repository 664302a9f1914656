// What is in the store and what keeps it there. Pure bookkeeping.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "runtime/images/image.h"
#include "runtime/images/image_record.h"

namespace keelson::runtime::images {

// A plain value; ImageStore guards it. Keys are digests ("sha256:...") of blobs and chain ids of layers; they
// cannot meet, or if they do (a bottom layer stored as plain tar) they name the same content.
struct StoreLedger {
  struct Layer {
    std::string short_name;  // its folder in layers/
    size_t leases = 0;
    bool inherited = false;  // the former daemon of this boot had it leased
  };
  struct Entry {
    ImageRecord record;
    std::shared_ptr<const Image> image;
  };
  std::map<std::string, Layer> layers;  // by chain id
  std::map<std::string, Entry> images;  // by image id
  std::map<std::string, size_t> pins;   // by digest or chain id

  bool isBlobNeeded(const std::string& digest) const;
  bool isLayerNeeded(const std::string& chain_id) const;

  // A folder name for a new layer: the first digits of its chain id, as few as are free. Short, because
  // kernels before 6.7 take all lower directories of an overlay in one page of options.
  std::string shortNameFor(const std::string& chain_id) const;

  // The records as they are after `added`, in the order to write them: those that lose a tag to it, then
  // itself, merged with the image of its id. A crash in between loses a tag but never has it twice.
  std::vector<ImageRecord> planPut(ImageRecord added) const;
};

}  // namespace keelson::runtime::images
