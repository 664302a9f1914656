// gzip, zstd or plain: told apart by the first bytes, as media types are often wrong.
#pragma once

#include <memory>
#include <string_view>

#include "runtime/images/byte_source.h"

namespace keelson::runtime::images {

enum class Compression { kNone, kGzip, kZstd };

// What the first (up to four) bytes of a stream announce.
Compression detectCompression(std::string_view head);

// The bytes of `inner`, decompressed. Looks at the stream's beginning on the first next(). gzip
// members and zstd frames that follow each other are one stream (pigz, eStargz, zstd:chunked).
// kDataLoss: broken or cut short. A zstd window above 128 MiB is refused.
std::unique_ptr<ByteSource> makeDecompressor(ByteSource& inner);

}  // namespace keelson::runtime::images
