// What a machine holds, for tests that nothing is left behind.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/result.h"

namespace keelson::test {

// Where a snapshot looks, so that the rest of a busy machine does not disturb it.
struct SnapshotScope {
  std::vector<std::string> cgroups;  // paths in each hierarchy, looked at with all below; "" is everything
  std::vector<std::string> directories;  // trees of files that count, by name
};

// The processes (without kernel threads), mounts, links and nft rules that the caller sees, its descriptors,
// and the cgroups and files in scope. A plain value.
class MachineSnapshot {
 public:
  static Result<MachineSnapshot> take(const SnapshotScope& scope);

  // Lines "+ mount /x (tmpfs)" for what `later` has more, "- ..." for what it has less; empty when the same.
  std::string difference(const MachineSnapshot& later) const;

 private:
  std::multiset<std::string> things_;
};

}  // namespace keelson::test
