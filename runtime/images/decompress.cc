#include "runtime/images/decompress.h"

#include <algorithm>
#include <string>
#include <vector>

#include "runtime/images/codec.h"

namespace keelson::runtime::images {
namespace {

constexpr size_t kMagicBytes = 4;
constexpr size_t kOutputBytes = size_t{256} << 10;  // stays in the second-level cache
constexpr int kMaxIdleSteps = 8;  // steps that neither read nor write before the decoder counts as stuck

class Decompressor : public ByteSource {
 public:
  explicit Decompressor(ByteSource& inner) : inner_(inner) {}

  Result<std::string_view> next() override {
    if (!started_) TRY(start());
    if (!codec_) return plain();
    int idle = 0;
    while (true) {
      if (pending_.empty() && !full_) TRY(refill());
      const auto step = TRY(codec_->step(pending_, output_.data(), output_.size()));
      pending_.remove_prefix(step.consumed);
      full_ = step.produced == output_.size();
      if (step.produced > 0) return std::string_view(output_.data(), step.produced);
      if (ended_ && pending_.empty()) {
        if (!codec_->mayEnd()) return makeError(Code::kDataLoss, "compressed stream is cut short");
        return std::string_view();
      }
      idle = step.consumed == 0 && !pending_.empty() ? idle + 1 : 0;
      if (idle > kMaxIdleSteps) return makeError(Code::kDataLoss, "compressed stream is broken");
    }
  }

 private:
  // Collects enough bytes for the magic number: a socket may hand over one at a time.
  Result<void> start() {
    started_ = true;
    while (head_.size() < kMagicBytes && !ended_) {
      const auto piece = TRY(inner_.next());
      ended_ = piece.empty();
      head_ += piece;
    }
    pending_ = head_;
    switch (detectCompression(head_)) {
      case Compression::kNone:
        break;
      case Compression::kGzip:
        codec_ = TRY(makeGzipCodec());
        break;
      case Compression::kZstd:
        codec_ = TRY(makeZstdCodec());
        break;
    }
    if (codec_) output_.resize(kOutputBytes);
    return {};
  }

  Result<std::string_view> plain() {
    if (!pending_.empty()) return std::exchange(pending_, {});
    if (ended_) return std::string_view();
    return inner_.next();
  }

  Result<void> refill() {
    if (ended_) return {};
    pending_ = TRY(inner_.next());
    ended_ = pending_.empty();
    return {};
  }

  ByteSource& inner_;
  std::unique_ptr<Codec> codec_;
  std::string head_;
  std::string_view pending_;
  std::vector<char> output_;
  bool started_ = false;
  bool ended_ = false;
  bool full_ = false;  // the last step filled the buffer: the codec may hold more without new input
};

}  // namespace

Compression detectCompression(std::string_view head) {
  if (head.starts_with("\x1f\x8b")) return Compression::kGzip;
  if (head.starts_with("\x28\xb5\x2f\xfd")) return Compression::kZstd;
  // A skippable frame (RFC 8878, 3.1.2) may come first: 0x184D2A50 to 0x184D2A5F, little endian.
  if (head.size() >= kMagicBytes && (head[0] & '\xf0') == '\x50' &&
      head.substr(1).starts_with("\x2a\x4d\x18"))
    return Compression::kZstd;
  return Compression::kNone;
}

std::unique_ptr<ByteSource> makeDecompressor(ByteSource& inner) {
  return std::make_unique<Decompressor>(inner);
}

}  // namespace keelson::runtime::images
