// Open parent directories of the entries being written.
#pragma once

#include <list>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace keelson::runtime::images {

// Opens directories of a layer by path, makes the missing ones, and keeps the most recent ones
// open, since a tar names siblings in a row. Owned by one LayerWriter; one thread.
class DirCache {
 public:
  // `root` stays open longer than this. `max_made` bounds the directories made on the way.
  DirCache(int root, size_t max_made) : root_(root), max_made_(max_made) {}

  // A descriptor of the directory, borrowed until the next call. Missing parts become directories of
  // root, mode 0755, and are noted in made(). kInvalidArgument: a part is not a directory.
  Result<int> open(const std::string& path);
  // Call when a directory or a symbolic link was removed: paths may mean something else now.
  void clear();

  // Directories that no entry of the layer named, parents first.
  std::vector<std::string>& made() { return made_; }

 private:
  struct Kept {
    std::string path;
    UniqueFd fd;
  };
  Result<UniqueFd> openOrMake(const std::string& path, int links_left);
  Result<UniqueFd> make(const std::string& path, int links_left);

  int root_;
  size_t max_made_;
  std::list<Kept> recent_;  // most recent first
  std::unordered_map<std::string, std::list<Kept>::iterator> by_path_;
  std::vector<std::string> made_;
  size_t made_path_bytes_ = 0;
};

}  // namespace keelson::runtime::images
