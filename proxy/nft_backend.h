// Keeps the proxy's nftables tables equal to the doors.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "kernel/nft.h"
#include "proxy/data_plane.h"
#include "proxy/nft_program.h"

namespace keelson::proxy {

// Each family is a table of its own; a usual sync is one commit in each. Home: one strand.
class NftBackend final : public DataPlane {
 public:
  NftBackend(NftSettings settings, std::vector<IpFamily> families)
      : settings_(std::move(settings)), families_(std::move(families)) {}

  Result<SyncReport> sync(const Doors& doors, const std::vector<DoorChange>& changes, Stop& stop) override;
  void distrust() override { programs_.clear(); }
  Result<bool> intact(Stop&) override { return true; }  // foreign changes are heard
  Result<void> remove(Stop& stop) override;

 private:
  struct Known {
    NftProgram program;
    uint32_t generation = 0;  // of the ruleset, after our last commit
  };

  // A commit of somebody else since ours is taken for one to another table: ours is watched (NftWatch) and
  // compared again when it was touched. While it is compared there is no such doubt to give.
  enum class Others { kElsewhere, kAnywhere };

  Result<void> compare(IpFamily family, const Doors& doors, SyncReport& report, Stop& stop);
  Result<void> commit(Known& known, NftSteps steps, Others others, SyncReport& report, Stop& stop);

  Result<kernel::nft::Nft*> nft();

  const NftSettings settings_;
  const std::vector<IpFamily> families_;
  // Kept open: closing it waits some 10 ms for what the kernel still has to free after a commit.
  std::unique_ptr<kernel::nft::Nft> nft_;
  std::map<IpFamily, Known> programs_;  // of the families whose table is known
};

}  // namespace keelson::proxy
