// What the store remembers of one image: the file images/<hex of its id>.json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "runtime/images/config_document.h"
#include "runtime/images/image.h"

namespace keelson::runtime::images {

// Everything else about the image is in its blobs. Tags and digests are full references.
struct ImageRecord {
  struct Layer {
    std::string digest;  // of the blob
    int64_t size = 0;
    std::string chain_id;
    bool operator==(const Layer&) const = default;
  };
  std::string id;  // digest of the configuration blob
  int64_t config_size = 0;
  std::string manifest_digest;
  std::string manifest_media_type;
  int64_t manifest_size = 0;
  std::vector<std::string> tags;     // "docker.io/library/nginx:1", sorted
  std::vector<std::string> digests;  // "docker.io/library/nginx@sha256:...", sorted
  std::vector<Layer> layers;         // bottom first
  WallTime pulled;

  // Digests of all blobs it needs.
  std::vector<std::string> blobs() const;
  std::string fileName() const;  // "<hex>.json"
  bool operator==(const ImageRecord&) const = default;
};

std::string encodeRecord(const ImageRecord& record);
// kDataLoss with the reason. A later version's file is kUnsupported.
Result<ImageRecord> decodeRecord(std::string_view text);

// The image as the node sees it.
Image imageOf(const ImageRecord& record, const ConfigDocument& config);

// The OCI layout's index.json: one entry for each tag, so that skopeo, umoci and crane find it by name; an
// image without a tag is listed by its digest references, else without a name.
// https://github.com/opencontainers/image-spec/blob/main/image-layout.md
std::string renderIndex(const std::vector<ImageRecord>& records);

}  // namespace keelson::runtime::images
