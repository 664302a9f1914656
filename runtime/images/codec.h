// One compression format behind makeDecompressor().
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"

namespace keelson::runtime::images {

struct CodecStep {
  size_t consumed = 0;
  size_t produced = 0;
};

// Decoder state of one stream. One owner, one thread.
class Codec {
 public:
  virtual ~Codec() = default;
  // Decodes from `in` to `out`; does as much as both allow. kDataLoss: the stream is broken.
  virtual Result<CodecStep> step(std::string_view in, char* out, size_t capacity) = 0;
  // True between members or frames, where the input may end.
  virtual bool mayEnd() const = 0;
};

Result<std::unique_ptr<Codec>> makeGzipCodec();
Result<std::unique_ptr<Codec>> makeZstdCodec();

}  // namespace keelson::runtime::images
