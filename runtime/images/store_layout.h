// The store's folders and the half-made things in them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fs.h"
#include "base/result.h"
#include "base/sha256.h"
#include "base/unique_fd.h"

namespace keelson::runtime::images {

//   <root>/oci-layout, index.json     an OCI image layout: a view, written anew from images/
//          blobs/sha256/<hex>         manifests, configurations, layers as they came
//          images/<hex>.json          one record for each image: the only truth about what is here
//          layers/<short>/fs          the unpacked tree of one layer
//          layers/<short>/layer.json  which one: its chain id
//          leases/<short>             the layer was in use in the boot named inside
//          tmp/                       being made; trash/ being deleted
// Things are made in tmp/, renamed into place when whole, and renamed to trash/ before they are deleted.
struct StoreLayout {
  DirFd root, blobs, images, layers, leases, tmp, trash;
  static Result<StoreLayout> ensure(const std::string& path);
};

// A blob being written in tmp/. Digests and counts as it goes; unless commit() succeeds the file is
// removed. One owner, one thread.
class BlobWriter {
 public:
  static Result<BlobWriter> create(const StoreLayout& layout);
  BlobWriter(BlobWriter&&) noexcept = default;
  BlobWriter& operator=(BlobWriter&&) = delete;
  ~BlobWriter();

  Result<void> write(std::string_view bytes);
  int64_t size() const { return size_; }
  // Ends writing; "sha256:..." of all bytes. Call once.
  std::string finish();
  // Moves the file to blobs/sha256 under `digest`, which the caller compared. Fine if it is there already.
  Result<void> commit(const std::string& digest);

 private:
  BlobWriter(const StoreLayout* layout, std::string name, UniqueFd fd);
  const StoreLayout* layout_;
  std::string name_;
  UniqueFd fd_;
  Sha256 sha_;
  int64_t size_ = 0;
};

// A layer being unpacked in tmp/: removed with all its files unless release()d by the store.
class LayerStaging {
 public:
  static Result<LayerStaging> create(const StoreLayout& layout);
  LayerStaging(LayerStaging&&) noexcept = default;
  LayerStaging& operator=(LayerStaging&&) = delete;
  ~LayerStaging();

  const DirFd& directory() const { return directory_; }  // gets layer.json
  const DirFd& tree() const { return tree_; }            // gets the files
  const std::string& name() const { return name_; }      // in tmp/
  void release() { directory_ = DirFd(); }

 private:
  LayerStaging(const StoreLayout* layout, std::string name, DirFd directory, DirFd tree);
  const StoreLayout* layout_;
  std::string name_;
  DirFd directory_;
  DirFd tree_;
};

constexpr const char* kLayerRecordFile = "layer.json";  // in layers/<short>
std::string encodeLayerRecord(const std::string& chain_id, const std::string& diff_id);
// The chain id in it.
Result<std::string> decodeLayerRecord(std::string_view text);

}  // namespace keelson::runtime::images
