// The records' file.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/fs.h"
#include "base/guarded.h"
#include "cni/records.h"

namespace keelson::cni {

// Keeps Records in "network.json" of one directory, which may be on tmpfs: they do not outlive the
// boot. Written beside and renamed, newest revision wins. Owned by BridgeNetwork; any thread.
class RecordStore {
 public:
  // Makes the directory if need be.
  static Result<std::unique_ptr<RecordStore>> open(const std::string& directory);

  struct Loaded {
    Records records;
    std::optional<Error> broken;  // the file could not be understood; it is kept as "network.json.broken"
  };
  // An absent file is empty records.
  Result<Loaded> load();

  // Writes the state that `newest` gives, unless one at least as new as `revision` is written already:
  // callers that come together share a write. `newest` is called inside.
  struct Snapshot {
    uint64_t revision = 0;
    Records records;
  };
  Result<void> save(uint64_t revision, const std::function<Snapshot()>& newest);

 private:
  RecordStore(DirFd directory, std::string boot) : directory_(std::move(directory)), boot_(std::move(boot)) {}

  DirFd directory_;
  std::string boot_;
  // The revision on disk. Its lock is held during the write, so that an older state never replaces a newer
  // one; the file is small, and on tmpfs the write takes tens of microseconds.
  Guarded<uint64_t> written_;
};

}  // namespace keelson::cni
