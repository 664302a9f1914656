#include "runtime/images/unpack.h"

#include "runtime/images/decompress.h"
#include "runtime/images/tar_reader.h"

namespace keelson::runtime::images {
namespace {

// Counts what passes.
class CountingSource : public ByteSource {
 public:
  explicit CountingSource(ByteSource& inner) : inner_(inner) {}
  Result<std::string_view> next() override {
    const auto piece = TRY(inner_.next());
    bytes_ += static_cast<int64_t>(piece.size());
    return piece;
  }
  int64_t bytes() const { return bytes_; }

 private:
  ByteSource& inner_;
  int64_t bytes_ = 0;
};

// Passes unpacked bytes on while they stay in proportion to what was read to make them.
class RatioGuard : public ByteSource {
 public:
  RatioGuard(ByteSource& unpacked, const CountingSource& packed, const UnpackLimits& limits)
      : unpacked_(unpacked), packed_(packed), limits_(limits) {}

  Result<std::string_view> next() override {
    const auto piece = TRY(unpacked_.next());
    bytes_ += static_cast<int64_t>(piece.size());
    if (bytes_ > limits_.ratio_free && bytes_ / limits_.ratio > packed_.bytes())
      return makeError(Code::kResourceExhausted, "layer unpacks to more than {} times its size",
                       limits_.ratio);
    return piece;
  }

 private:
  ByteSource& unpacked_;
  const CountingSource& packed_;
  const UnpackLimits& limits_;
  int64_t bytes_ = 0;
};

// Reads what follows the tar's end marker up to the stream's own end.
Result<void> drain(ByteSource& source) {
  while (!TRY(source.next()).empty()) {
  }
  return {};
}

}  // namespace

Result<UnpackedLayer> unpackLayer(ByteSource& blob, const DirFd& root, const UnpackLimits& limits,
                                  Stop& stop) {
  CountingSource packed(blob);
  const auto decompressed = makeDecompressor(packed);
  RatioGuard guarded(*decompressed, packed, limits);
  DigestSource tar(guarded, "unpacked layer", limits.bytes);
  auto reader = TRY(TarReader::open(tar));
  LayerWriter writer(root, limits);
  while (auto entry = TRY(reader.next())) {
    TRY(stop.check("unpack"));
    TRY(writer.add(*entry, reader));
  }
  TRY(writer.finish());
  UnpackedLayer layer;
  // The tar's end marker is not the stream's end: padding after it counts for both digests.
  layer.diff_id = TRY(tar.finish());
  TRY(drain(packed));
  layer.tar_bytes = tar.bytes();
  layer.implicit_dirs = writer.implicitDirs();
  return layer;
}

}  // namespace keelson::runtime::images
