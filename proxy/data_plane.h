// What keeps the kernel's rules equal to the doors: nftables or iptables.
#pragma once

#include <string>
#include <vector>

#include "base/executor.h"
#include "proxy/doors.h"

namespace keelson::proxy {

// What a sync did.
struct SyncReport {
  bool full = false;                  // compared with all that the kernel has
  size_t elements = 0;                // nftables: map elements added and deleted
  size_t rules = 0;                   // iptables: rules written
  bool structure = false;             // chains, sets or rules changed
  std::vector<uint32_t> generations;  // of nftables' ruleset, made by us
};

// Remembers what the kernel has, so that a usual sync reads nothing; looks at it at the first one, after a
// refusal and when told to. Home: one strand.
class DataPlane {
 public:
  virtual ~DataPlane() = default;

  // Makes the rules what `doors` asks for; `changes` is what is other than at the last call. What is right
  // already is not touched.
  virtual Result<SyncReport> sync(const Doors& doors, const std::vector<DoorChange>& changes, Stop& stop) = 0;
  // What is in the kernel may be something else by now.
  virtual void distrust() = 0;
  // False when somebody flushed the rules, as far as that shows without reading them all.
  virtual Result<bool> intact(Stop& stop) = 0;
  // Removes everything of it from the kernel. Fine if absent.
  virtual Result<void> remove(Stop& stop) = 0;
};

}  // namespace keelson::proxy
