// Entries of a tar stream, as values.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "runtime/images/byte_source.h"

namespace keelson::runtime::images {

enum class EntryKind { kRegular, kDirectory, kSymlink, kHardLink, kCharDevice, kBlockDevice, kFifo, kOther };

// One entry's header. Everything in it comes from outside: names may be absolute, hold "..", be empty.
struct TarEntry {
  std::string path;
  std::string link;  // target of a symbolic or hard link
  EntryKind kind = EntryKind::kOther;
  mode_t mode = 0;  // permission bits with setuid, setgid, sticky
  int64_t uid = 0;
  int64_t gid = 0;
  int64_t size = 0;
  timespec mtime{};
  int64_t device_major = 0;
  int64_t device_minor = 0;
  std::vector<std::pair<std::string, std::string>> xattrs;
};

// A piece of a file's content; pieces leave holes (GNU sparse files).
struct TarData {
  std::string_view bytes;  // valid until the next call
  int64_t offset = 0;
};

// Reads ustar, GNU and pax through libarchive. One owner, one thread; `source` outlives it.
// kDataLoss: not a tar, cut short, or a name in a pax header that is not UTF-8.
class TarReader {
 public:
  static Result<TarReader> open(ByteSource& source);
  TarReader(TarReader&&) noexcept;
  TarReader& operator=(TarReader&&) noexcept;
  ~TarReader();

  // The next entry, or nullopt at the end; skips what was not read of the one before.
  Result<std::optional<TarEntry>> next();
  // The next piece of the current entry's content, or nullopt at its end.
  Result<std::optional<TarData>> data();

 private:
  struct Impl;
  explicit TarReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::runtime::images
