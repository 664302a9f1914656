#include "runtime/images/archive_import.h"

#include <unistd.h>

#include <algorithm>

#include "runtime/images/decompress.h"
#include "runtime/images/digest.h"
#include "runtime/images/entry_path.h"
#include "runtime/images/tar_reader.h"

namespace keelson::runtime::images {
namespace {

constexpr size_t kMaxFiles = 100'000;
constexpr int64_t kMaxArchiveBytes = int64_t{200} << 30;
constexpr int kMaxLinkHops = 8;
constexpr int kMaxIndexDepth = 3;
constexpr size_t kShownBytes = 200;
constexpr std::string_view kBlobFolder = "blobs/sha256/";
constexpr const char* kIndexFile = "index.json";
constexpr const char* kSavedFile = "manifest.json";

}  // namespace

Result<std::vector<std::shared_ptr<const Image>>> ArchiveImport::run(int fd, const std::string& name,
                                                                     Stop& stop) {
  if (!name.empty()) TRY(fullName(name));
  TRY_CTX(readFiles(fd, stop), "read image archive");
  if (files_.contains(kIndexFile) || links_.contains(kIndexFile)) {
    TRY_CTX(importLayout(name, stop), "OCI archive");
  } else if (files_.contains(kSavedFile) || links_.contains(kSavedFile)) {
    TRY_CTX(importSaved(name, stop), "docker archive");
  } else {
    return makeError(Code::kInvalidArgument,
                     "not an image archive: it has neither {} (OCI) nor {} (docker save)", kIndexFile,
                     kSavedFile);
  }
  return images_;
}

Result<void> ArchiveImport::readFiles(int fd, Stop& stop) {
  FdSource source(fd, "image archive", stop);
  const auto decompressed = makeDecompressor(source);
  DigestSource bounded(*decompressed, "image archive", kMaxArchiveBytes);
  auto reader = TRY(TarReader::open(bounded));
  while (auto entry = TRY(reader.next())) {
    TRY(stop.check("read image archive"));
    if (files_.size() + links_.size() >= kMaxFiles)
      return makeError(Code::kResourceExhausted, "more than {} files", kMaxFiles);
    const auto path = cleanPath(entry->path);
    files_.erase(path);
    links_.erase(path);
    if (entry->kind == EntryKind::kRegular) {
      auto file = TRY_CTX(keepFile(reader, stop), "{}", path.substr(0, kShownBytes));
      if (path.starts_with(kBlobFolder) && "sha256:" + path.substr(kBlobFolder.size()) != file.digest)
        return makeError(Code::kDataLoss, "{} has digest {}", path.substr(0, kShownBytes), file.digest);
      files_[path] = std::move(file);
    } else if (entry->kind == EntryKind::kSymlink) {
      links_[path] = linkTarget(path, entry->link);
    } else if (entry->kind == EntryKind::kHardLink) {
      links_[path] = cleanPath(entry->link);
    }
  }
  // Tar pads its end; whoever writes into our pipe wants to get rid of that too.
  TRY(bounded.finish());
  return {};
}

Result<ArchiveImport::File> ArchiveImport::keepFile(TarReader& reader, Stop& stop) {
  auto blob = TRY(store_->newBlob());
  while (auto piece = TRY(reader.data())) {
    if (piece->offset != blob.size())
      return makeError(Code::kDataLoss, "sparse files are not supported here");
    TRY(blob.write(piece->bytes));
    TRY(stop.check("read image archive"));
  }
  File file{"", blob.size()};
  file.digest = blob.finish();
  pins_.push_back(store_->pin({file.digest}));
  TRY(blob.commit(file.digest));
  return file;
}

Result<ArchiveImport::File> ArchiveImport::find(const std::string& path) const {
  std::string at = cleanPath(path);
  for (int hops = 0; hops <= kMaxLinkHops; ++hops) {
    if (const auto file = files_.find(at); file != files_.end()) return file->second;
    const auto link = links_.find(at);
    if (link == links_.end()) break;
    at = link->second;
  }
  return makeError(Code::kNotFound, "the archive has no file {}", path.substr(0, kShownBytes));
}

Result<std::string> ArchiveImport::readSmall(const std::string& path) const {
  return store_->readBlob(TRY(find(path)).digest, kMaxManifestBytes);
}

Result<void> ArchiveImport::importLayout(const std::string& name, Stop& stop) {
  const auto document = TRY_CTX(decodeManifest(TRY(readSmall(kIndexFile)), kOciIndex), "{}", kIndexFile);
  const auto* index = std::get_if<ImageIndex>(&document);
  if (index == nullptr) return makeError(Code::kDataLoss, "{} is not an index", kIndexFile);
  for (const auto& entry : index->manifests) {
    const bool elsewhere = entry.platform && (entry.platform->os != platform_.os ||
                                              entry.platform->architecture != platform_.architecture);
    if (!elsewhere) TRY_CTX(importEntry(entry, name, stop), "{}", entry.digest);
  }
  if (images_.empty()) return makeError(Code::kNotFound, "it holds no image for {}", platform_.str());
  return {};
}

Result<void> ArchiveImport::importEntry(const Descriptor& entry, const std::string& name, Stop& stop) {
  IngestRequest request;
  request.manifest_digest = entry.digest;
  std::string type = entry.media_type;
  for (int depth = 0;; ++depth) {
    if (!store_->hasBlob(request.manifest_digest))
      return makeError(Code::kNotFound, "the archive lacks blob {}", request.manifest_digest);
    request.manifest = TRY(store_->readBlob(request.manifest_digest, kMaxManifestBytes));
    auto document = TRY(decodeManifest(request.manifest, type));
    if (auto* manifest = std::get_if<ImageManifest>(&document)) {
      request.decoded = std::move(*manifest);
      break;
    }
    if (depth >= kMaxIndexDepth) return makeError(Code::kDataLoss, "indexes are nested too deeply");
    const auto picked = TRY(pickPlatform(std::get<ImageIndex>(document), platform_));
    request.manifest_digest = picked.digest;
    type = picked.media_type;
  }
  if (auto own = TRY(nameOfEntry(entry, name)); !own.empty()) request.tags.push_back(std::move(own));
  if (request.tags.empty()) request.tags = TRY(savedTags(request.decoded.config.digest));
  if (request.tags.empty() && !name.empty()) request.tags.push_back(TRY(fullName(name)));
  if (request.tags.empty())
    return makeError(Code::kInvalidArgument, "the archive carries no name for this image: give one");
  return take(request, stop);
}

// Docker writes both documents; its names are in the second one.
Result<std::vector<std::string>> ArchiveImport::savedTags(const std::string& config_digest) const {
  std::vector<std::string> tags;
  const auto saved_file = find(kSavedFile);
  if (!saved_file) return tags;
  for (const auto& saved : TRY(decodeSavedImages(TRY(readSmall(kSavedFile))))) {
    const auto config = find(saved.config);
    if (!config || config->digest != config_digest) continue;
    for (const auto& tag : saved.repo_tags) tags.push_back(TRY(fullName(tag)));
  }
  return tags;
}

Result<void> ArchiveImport::importSaved(const std::string& name, Stop& stop) {
  for (const auto& saved : TRY(decodeSavedImages(TRY(readSmall(kSavedFile))))) {
    IngestRequest request;
    const auto config = TRY(find(saved.config));
    request.decoded.media_type = kOciManifest;
    request.decoded.config = {std::string(kOciConfig), config.digest, config.size, {}, {}};
    for (const auto& path : saved.layers) {
      const auto layer = TRY(find(path));
      request.decoded.layers.push_back({TRY(layerType(layer)), layer.digest, layer.size, {}, {}});
    }
    request.manifest = renderManifest(request.decoded);
    request.manifest_digest = digestOf(request.manifest);
    for (const auto& tag : saved.repo_tags) request.tags.push_back(TRY(fullName(tag)));
    if (request.tags.empty() && !name.empty()) request.tags.push_back(TRY(fullName(name)));
    if (request.tags.empty())
      return makeError(Code::kInvalidArgument, "image {} carries no name: give one", config.digest);
    TRY(take(request, stop));
  }
  if (images_.empty()) return makeError(Code::kNotFound, "it holds no image");
  return {};
}

Result<std::string> ArchiveImport::layerType(const File& layer) const {
  const auto fd = TRY(store_->openBlob(layer.digest));
  char head[4];
  const ssize_t got = pread(fd.get(), head, sizeof head, 0);
  if (got < 0) return sysError("read layer {}", layer.digest);
  const std::string plain = "application/vnd.oci.image.layer.v1.tar";
  switch (detectCompression(std::string_view(head, static_cast<size_t>(got)))) {
    case Compression::kGzip:
      return plain + "+gzip";
    case Compression::kZstd:
      return plain + "+zstd";
    case Compression::kNone:
      break;
  }
  return plain;
}

Result<void> ArchiveImport::take(const IngestRequest& request, Stop& stop) {
  auto image = TRY_CTX(ingest_.run(request, nullptr, {}, stop), "{}", request.tags.front());
  // One image under two names is one image; the later value has both.
  const auto same =
      std::find_if(images_.begin(), images_.end(), [&](const auto& one) { return one->id == image->id; });
  if (same == images_.end()) {
    images_.push_back(std::move(image));
  } else {
    *same = std::move(image);
  }
  return {};
}

}  // namespace keelson::runtime::images
