// What the kernel has of the proxy's table, door by door, and what to commit so that it has something else.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernel/nft.h"
#include "proxy/nft_rules.h"

namespace keelson::proxy {

// Commits in this order. `shrink` removes chains and sets that nothing refers to any more; some kernels
// before 6.2 let go of them only a moment later and refuse it with EBUSY: then it is for the next time.
struct NftSteps {
  std::vector<kernel::nft::Batch> commits;
  kernel::nft::Batch shrink;
  size_t elements = 0;     // added and deleted
  bool structure = false;  // chains, sets or rules change
};

// Plans as if each plan were committed: one whose commit fails leaves it wrong, and it must be started again
// from a reading. Everything of one door is in one commit, so that a door that works works at each moment.
// Pure but for what it remembers. Home: one strand.
class NftProgram {
 public:
  NftProgram(IpFamily family, NftSettings settings) : family_(family), settings_(std::move(settings)) {}

  // From what the kernel was read to have, whatever that is, to these doors.
  Result<NftSteps> start(const kernel::nft::TableState& have, const Doors& doors);
  // From what was planned last; costs the size of the changes.
  NftSteps change(const std::vector<DoorChange>& changes);
  // The shrink of the last plan was refused: it comes again with the next one.
  void keepShrink() { gone_ = last_gone_; }

 private:
  // Chains and sets of affinity and source ranges, which the doors of a service may share.
  struct Own {
    size_t users = 0;
    bool is_set = false;
    std::string text;  // of a chain's rules
  };
  struct Shared {
    size_t users = 0;
    bool present = false;  // in the kernel
  };
  class Writer;

  DoorPtr arranged(const DoorPtr& wanted, const NftOrder& before) const;
  void useOwn(const NftParts& parts, Writer* writer);
  void leaveOwn(const NftParts& parts);
  void changeElements(const std::vector<NftElement>& before, const std::vector<NftElement>& now,
                      Writer& writer);
  void dropUnused(Writer& writer);
  void takeShrink(NftSteps& steps);

  const IpFamily family_;
  const NftSettings settings_;
  uint32_t chains_ = 0;
  std::map<DoorKey, DoorPtr> doors_;  // as arranged
  std::unordered_map<std::string, Shared> shared_;
  std::map<std::string, Own> own_;
  std::vector<std::string> unused_own_, unused_shared_;  // may be unused since this plan
  std::map<std::string, bool> gone_, last_gone_;         // to be removed from the kernel; true: a set
};

}  // namespace keelson::proxy
