// The images, blobs and layers of this node, on disk and in memory.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/guarded.h"
#include "base/result.h"
#include "runtime/images/image_record.h"
#include "runtime/images/image_service.h"
#include "runtime/images/store_layout.h"
#include "runtime/images/store_ledger.h"

namespace keelson::runtime::images {

// Owns the folder tree of StoreLayout. What is on disk is found again from the records by open(); what
// keeps things alive meanwhile is in memory: the images, pins of running pulls, leases of containers.
// Any thread; calls that write block on the disk. Outlived by no lease (leases share it).
//
// Order of a new image: blobs and layers are renamed into place, the file system is synced, the record
// is written last. So a crash leaves either a whole image or pieces that no record names, which cleanUp()
// removes. A lease leaves a mark on disk: a layer that a container used when the daemon died stays until
// dropInheritedLeases() or the next boot, even if its image was removed.
class ImageStore : public std::enable_shared_from_this<ImageStore> {
 public:
  struct Options {
    std::string root;
    std::string boot_id;   // of this boot: marks of another one mean nothing
    Lane* lane = nullptr;  // deletes trash there; without one, in the calling thread. Outlives all leases.
  };
  // A broken record or layer is left out and reported by cleanUp(); it costs only itself.
  static Result<std::shared_ptr<ImageStore>> open(Options options);

  // ---- images ----
  using Images = std::vector<std::shared_ptr<const Image>>;
  // All images, sorted by id. Never blocks on the disk.
  std::shared_ptr<const Images> images() const;
  // Adds the image or, if its id is here, adds the new references to it. Its tags are taken from other
  // images. Everything it names must be committed and pinned. Durable on return.
  Result<std::shared_ptr<const Image>> put(ImageRecord record);
  // As put(), for an image that is here. kNotFound.
  Result<std::shared_ptr<const Image>> addTag(const std::string& id, const std::string& tag);
  // Changes one image's references; with none left, or with `whole_image`, the image goes.
  struct Untag {
    std::vector<std::string> tags;
    std::vector<std::string> digests;
    bool whole_image = false;
  };
  Result<void> untag(const std::string& id, const Untag& untag);

  // ---- blobs ----
  bool hasBlob(const std::string& digest) const;
  Result<UniqueFd> openBlob(const std::string& digest) const;
  // The content, checked against its digest.
  Result<std::string> readBlob(const std::string& digest, size_t limit) const;
  Result<BlobWriter> newBlob() const { return BlobWriter::create(layout_); }
  // Puts small content in place. `digest` must be its digest.
  Result<void> putBlob(const std::string& digest, std::string_view content) const;
  Result<UniqueFd> newTemporaryFile() const;  // unlinked already

  // ---- layers ----
  bool hasLayer(const std::string& chain_id) const;
  Result<LayerStaging> newLayer() const { return LayerStaging::create(layout_); }
  // Makes an unpacked layer the one of `chain_id`; if there is one already, `layer` is dropped.
  Result<void> commitLayer(LayerStaging layer, const std::string& chain_id, const std::string& diff_id);
  Result<DirFd> openLayer(const std::string& chain_id) const;

  // ---- what keeps things ----
  // Keeps blobs (by digest) and layers (by chain id) while the result lives, present or still to come.
  std::shared_ptr<void> pin(std::vector<std::string> digests);
  // The layers bottom first, opened top first. kNotFound names the missing one.
  Result<ImageLayers> lease(const std::vector<std::string>& chain_ids);
  // Once the runtime has leased again what the containers it found use: the former daemon's leases end.
  void dropInheritedLeases();

  // Removes what open() found and no record or lease needs. The errors name broken records.
  ErrorList cleanUp();

 private:
  explicit ImageStore(Options options) : options_(std::move(options)) {}
  Result<void> load();
  bool isMarked(const std::string& short_name) const;
  Result<void> loadLayer(const std::string& short_name);
  Result<void> loadImage(const std::string& file);
  Result<std::shared_ptr<const Image>> readImage(const ImageRecord& record) const;
  Result<void> writeRecord(const ImageRecord& record) const;
  ErrorList writeView() const;
  void publish();
  void endLease(const std::vector<std::string>& chain_ids);
  // Moves what nothing needs of these to trash and deletes it.
  ErrorList collect(const std::vector<std::string>& blobs, const std::vector<std::string>& chain_ids);
  Result<std::string> moveToTrash(const DirFd& from, const std::string& name) const;
  ErrorList deleteTrash(std::vector<std::string> names);

  struct WriterTurn {};
  Options options_;
  StoreLayout layout_;
  Guarded<StoreLedger> ledger_;
  Guarded<std::shared_ptr<const Images>> published_{std::make_shared<const Images>()};
  Guarded<WriterTurn> writers_;  // one change of records at a time; held over disk writes, never by readers
  // Found by load(), used up by cleanUp().
  ErrorList broken_;
  std::vector<std::string> broken_records_, broken_layers_, left_in_tmp_, left_in_trash_;
};

}  // namespace keelson::runtime::images
