// Turns tar entries into the directory tree of one overlayfs layer.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/fs.h"
#include "base/result.h"
#include "runtime/images/dir_cache.h"
#include "runtime/images/entry_path.h"
#include "runtime/images/tar_reader.h"

namespace keelson::runtime::images {

struct UnpackLimits {
  int64_t bytes = int64_t{100} << 30;       // of the unpacked tar stream, and of all its files
  int64_t ratio = 1000;                     // unpacked to compressed; deflate cannot do more than 1032
  int64_t ratio_free = int64_t{256} << 20;  // the ratio counts beyond this many bytes
  int64_t inodes = 2'000'000;               // entries of one layer, and directories made on the way
};

// The border between an image and this machine: every name is resolved beneath the layer's root by
// openat2(2), links inside it lead back inside, and nothing is created through a path string. Whiteouts
// become overlayfs' own. Owned by one unpacking, one thread; `root` is empty and nobody else's.
//
// Entries may repeat and contradict each other; the later one wins, a directory merges with a
// directory. A whiteout concerns the layers below only, never what its own layer holds.
class LayerWriter {
 public:
  LayerWriter(const DirFd& root, const UnpackLimits& limits);

  // Writes one entry; `content` is asked for the data of a regular file.
  // kInvalidArgument, kDataLoss: the entry is wrong; kResourceExhausted: disk or limit.
  Result<void> add(const TarEntry& entry, TarReader& content);
  // Sets the times of directories, which later entries would have changed. Call once, last.
  Result<void> finish();

  // Directories that the layer uses but does not describe, parents first (see implicit_dirs.h).
  std::vector<std::string> implicitDirs();

 private:
  struct DirTime {
    std::string path;
    timespec mtime;
  };
  Result<void> addRoot(const TarEntry& entry);
  Result<void> addPlain(const EntryPath& at, int parent, const TarEntry& entry, TarReader& content);
  Result<void> addFile(const EntryPath& at, int parent, const TarEntry& entry, TarReader& content);
  Result<void> addDirectory(const EntryPath& at, int parent, const TarEntry& entry);
  Result<void> addHardLink(const EntryPath& at, int parent, const TarEntry& entry);
  Result<void> addNode(const EntryPath& at, int parent, const TarEntry& entry);
  Result<void> addWhiteout(const EntryPath& at, int parent);
  Result<void> removeExisting(const EntryPath& at, int parent);
  Result<void> noteDirTime(std::string path, const timespec& mtime);
  // Runs `create` (0 or -1 with errno); when something is in the way, removes it and tries once more.
  Result<void> createReplacing(const EntryPath& at, int parent, const std::function<int()>& create);

  const DirFd& root_;
  UnpackLimits limits_;
  DirCache parents_;
  std::vector<DirTime> dir_times_;
  size_t dir_path_bytes_ = 0;
  int64_t entries_ = 0;
  int64_t bytes_ = 0;
  bool paths_moved_ = false;  // the cache is out of date from the next entry on
};

}  // namespace keelson::runtime::images
