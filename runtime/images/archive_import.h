// Images from a tar archive: OCI layout or `docker save`.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/images/archive_names.h"
#include "runtime/images/ingest.h"

namespace keelson::runtime::images {

// One import. Reads the archive once, front to back: its files may come in any order and the descriptor
// need not seek, so every file is kept as a blob under its digest; what no image turns out to need goes
// with the import's pins. Then each image takes the same way as a pulled one. One owner, one thread; blocks.
class ArchiveImport {
 public:
  ArchiveImport(std::shared_ptr<ImageStore> store, Ingest& ingest, Platform platform)
      : store_(std::move(store)), ingest_(ingest), platform_(std::move(platform)) {}

  // See ImageService::importArchive().
  Result<std::vector<std::shared_ptr<const Image>>> run(int fd, const std::string& name, Stop& stop);

 private:
  struct File {
    std::string digest;
    int64_t size = 0;
  };
  Result<void> readFiles(int fd, Stop& stop);
  Result<File> keepFile(TarReader& reader, Stop& stop);
  Result<File> find(const std::string& path) const;
  Result<std::string> readSmall(const std::string& path) const;
  Result<void> importLayout(const std::string& name, Stop& stop);
  Result<void> importEntry(const Descriptor& entry, const std::string& name, Stop& stop);
  Result<void> importSaved(const std::string& name, Stop& stop);
  Result<std::string> layerType(const File& layer) const;
  Result<std::vector<std::string>> savedTags(const std::string& config_digest) const;
  Result<void> take(const IngestRequest& request, Stop& stop);

  std::shared_ptr<ImageStore> store_;
  Ingest& ingest_;
  Platform platform_;
  std::map<std::string, File> files_;
  std::map<std::string, std::string> links_;
  std::vector<std::shared_ptr<void>> pins_;
  std::vector<std::shared_ptr<const Image>> images_;
};

}  // namespace keelson::runtime::images
