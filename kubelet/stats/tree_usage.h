// How much a directory tree takes on its disk.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/executor.h"
#include "base/fs.h"
#include "base/guarded.h"
#include "base/result.h"
#include "base/units.h"

namespace keelson::kubelet::stats {

// Blocks and inodes of a tree, the top included, a file of several links counted once: what du(1) says.
struct DiskUsage {
  Bytes bytes;
  uint64_t inodes = 0;
  WallTime at;           // when it was measured
  bool complete = true;  // false: a limit or the deadline ended the walk; it is at least this much
};

struct TreeLimits {
  uint64_t max_entries = 2'000'000;
  size_t max_pending = 200'000;  // directories seen and not yet entered
  size_t max_links = 100'000;    // files of several links that are remembered
};

// Walks what containers write while they write it: no link is followed, no other file system entered, any
// depth of nesting takes a few descriptors. Directories that go meanwhile are passed over. Ends early, and
// says so, when `stop` or a limit is reached. Blocks on the disk: about 5 us an entry in cache.
DiskUsage measureTree(const DirFd& top, const TreeLimits& limits, Stop& stop);

// Remembers measurements, so that a tree is walked again only after a time in proportion to what the walk
// costs: at most a twentieth of one core's time goes into one tree. Any thread; two threads may walk one tree
// at the same time.
class TreeUsageCache {
 public:
  explicit TreeUsageCache(const Clock& clock, TreeLimits limits = {}) : clock_(clock), limits_(limits) {}

  enum class Content {
    kChanging,
    kFinal,  // nobody writes any more (an exited container's layer): one complete walk is enough
  };
  // kNotFound when there is no such directory.
  Result<DiskUsage> measure(const std::string& path, Content content, Stop& stop);
  size_t size() const;

  static constexpr Duration kMinAge = std::chrono::seconds(8);
  static constexpr Duration kMaxAge = std::chrono::minutes(10);
  static constexpr int kRestFactor = 20;  // rests this many times as long as the walk took
  static constexpr Duration kForgetAfter = std::chrono::minutes(15);

 private:
  struct Entry {
    DiskUsage usage;
    bool final = false;
    SteadyTime measured;
    SteadyTime asked;
    Duration took{0};
  };
  static bool isFresh(const Entry& entry, SteadyTime now);

  const Clock& clock_;
  const TreeLimits limits_;
  Guarded<std::map<std::string, Entry>> entries_;
};

}  // namespace keelson::kubelet::stats
