#include <zstd.h>

#include "runtime/images/codec.h"

namespace keelson::runtime::images {
namespace {

constexpr int kMaxWindowLog = 27;  // 128 MiB of memory, what the zstd command accepts by default

class ZstdCodec : public Codec {
 public:
  explicit ZstdCodec(ZSTD_DCtx* context) : context_(context) {}
  ~ZstdCodec() override { ZSTD_freeDCtx(context_); }
  ZstdCodec(const ZstdCodec&) = delete;
  ZstdCodec& operator=(const ZstdCodec&) = delete;

  Result<CodecStep> step(std::string_view in, char* out, size_t capacity) override {
    ZSTD_inBuffer input{in.data(), in.size(), 0};
    ZSTD_outBuffer output{out, capacity, 0};
    const size_t hint = ZSTD_decompressStream(context_, &output, &input);
    if (ZSTD_isError(hint))
      return makeError(Code::kDataLoss, "zstd stream is broken ({})", ZSTD_getErrorName(hint));
    // 0 is said once, at a frame's end; a call without input afterwards would ask for the next frame.
    if (hint == 0) {
      between_frames_ = true;
    } else if (input.pos > 0 || output.pos > 0) {
      between_frames_ = false;
    }
    return CodecStep{input.pos, output.pos};
  }

  bool mayEnd() const override { return between_frames_; }

 private:
  ZSTD_DCtx* context_;
  bool between_frames_ = false;
};

}  // namespace

Result<std::unique_ptr<Codec>> makeZstdCodec() {
  ZSTD_DCtx* context = ZSTD_createDCtx();
  if (context == nullptr) return makeError(Code::kResourceExhausted, "no memory for zstd");
  auto codec = std::make_unique<ZstdCodec>(context);
  ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, kMaxWindowLog);
  return std::unique_ptr<Codec>(std::move(codec));
}

}  // namespace keelson::runtime::images
