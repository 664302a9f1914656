#include "runtime/images/store_layout.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/ids.h"
#include "base/json.h"
#include "runtime/images/digest.h"
#include "runtime/images/json_field.h"

namespace keelson::runtime::images {
namespace {

constexpr int64_t kLayerRecordVersion = 1;
constexpr size_t kMaxLayerRecordBytes = 64 << 10;
constexpr size_t kRandomBytes = 8;

}  // namespace

Result<StoreLayout> StoreLayout::ensure(const std::string& path) {
  StoreLayout layout;
  // Layers hold setuid programs of strangers: nobody but root may reach them by path.
  layout.root = TRY(DirFd::ensure(path, 0700));
  const auto blobs = TRY(layout.root.ensureDir("blobs", 0755));
  layout.blobs = TRY(blobs.ensureDir("sha256", 0755));
  layout.images = TRY(layout.root.ensureDir("images", 0700));
  layout.layers = TRY(layout.root.ensureDir("layers", 0700));
  layout.leases = TRY(layout.root.ensureDir("leases", 0700));
  layout.tmp = TRY(layout.root.ensureDir("tmp", 0700));
  layout.trash = TRY(layout.root.ensureDir("trash", 0700));
  return layout;
}

BlobWriter::BlobWriter(const StoreLayout* layout, std::string name, UniqueFd fd)
    : layout_(layout), name_(std::move(name)), fd_(std::move(fd)) {}

Result<BlobWriter> BlobWriter::create(const StoreLayout& layout) {
  std::string name = "blob-" + randomHex(kRandomBytes);
  auto fd = TRY_CTX(layout.tmp.openBeneath(name, O_WRONLY | O_CREAT | O_EXCL, 0644), "make a blob");
  return BlobWriter(&layout, std::move(name), std::move(fd));
}

BlobWriter::~BlobWriter() {
  if (fd_.valid() && !name_.empty()) unlinkat(layout_->tmp.get(), name_.c_str(), 0);
}

Result<void> BlobWriter::write(std::string_view bytes) {
  sha_.update(bytes);
  size_ += static_cast<int64_t>(bytes.size());
  TRY_CTX(writeAll(fd_.get(), bytes), "write a blob");
  return {};
}

std::string BlobWriter::finish() { return "sha256:" + sha_.finishHex(); }

Result<void> BlobWriter::commit(const std::string& digest) {
  const auto hex = digestHex(digest);
  if (renameat(layout_->tmp.get(), name_.c_str(), layout_->blobs.get(), hex.c_str()) != 0)
    return sysError("put blob {} in place", digest);
  name_.clear();
  return {};
}

LayerStaging::LayerStaging(const StoreLayout* layout, std::string name, DirFd directory, DirFd tree)
    : layout_(layout), name_(std::move(name)), directory_(std::move(directory)), tree_(std::move(tree)) {}

Result<LayerStaging> LayerStaging::create(const StoreLayout& layout) {
  std::string name = "layer-" + randomHex(kRandomBytes);
  auto directory = TRY_CTX(layout.tmp.ensureDir(name, 0700), "make a layer");
  auto tree = TRY_CTX(directory.ensureDir("fs", 0755), "make a layer");
  // The root of containers that have no entry for it; the umask must not decide.
  if (fchmod(tree.get(), 0755) != 0) return sysError("make a layer");
  return LayerStaging(&layout, std::move(name), std::move(directory), std::move(tree));
}

LayerStaging::~LayerStaging() {
  // What cannot be removed now is removed by the next start's clean-up.
  if (directory_.valid()) static_cast<void>(layout_->tmp.removeTree(name_).ok());
}

std::string encodeLayerRecord(const std::string& chain_id, const std::string& diff_id) {
  return prettyJson(
      json::object{{"version", kLayerRecordVersion}, {"chainId", chain_id}, {"diffId", diff_id}});
}

Result<std::string> decodeLayerRecord(std::string_view text) {
  const auto value = TRY(parseJson(text, kMaxLayerRecordBytes));
  const auto& object = *TRY(asObject(value, "layer record"));
  if (TRY(integerField(object, "version")) != kLayerRecordVersion)
    return makeError(Code::kUnsupported, "layer record of another version");
  return TRY_CTX(parseDigest(TRY(stringField(object, "chainId"))), "chainId");
}

}  // namespace keelson::runtime::images
