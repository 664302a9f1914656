// Keeps the proxy's nftables tables equal to the doors.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/executor.h"
#include "kernel/nft.h"
#include "proxy/nft_rules.h"

namespace keelson::proxy {

// What a sync did.
struct SyncReport {
  size_t elements = 0;                // added and deleted
  bool structure = false;             // a table was made anew
  size_t forgotten_flows = 0;         // of UDP
  std::vector<uint32_t> generations;  // of the ruleset, made by us
};

// Keeps in memory what the kernel has, so that a usual sync reads nothing; reads back at the first one, after
// a refusal and when told that somebody else touched the ruleset. Each family is one commit: all or nothing.
// Home: one strand.
class NftBackend {
 public:
  NftBackend(NftSettings settings, std::vector<IpFamily> families)
      : settings_(std::move(settings)), families_(std::move(families)) {}

  // Makes the tables what `doors` asks for; what is right already is not touched. Then forgets UDP flows
  // through doors that lost an endpoint or gained their first.
  Result<SyncReport> sync(const Doors& doors, Stop& stop);
  // What is in the kernel may be something else by now.
  void distrust() { have_.clear(); }
  // Removes the tables. Fine if absent.
  Result<void> remove(Stop& stop);

 private:
  Result<void> commit(IpFamily family, const Doors& doors, SyncReport& report, Stop& stop);

  const NftSettings settings_;
  const std::vector<IpFamily> families_;
  std::map<IpFamily, kernel::nft::TableState> have_;
  std::optional<Doors> done_;  // what the last sync made
};

// The UDP doors whose flows must be forgotten when `now` takes the place of `before`: a flow keeps its
// endpoint, or its lack of one, as long as its client sends. Pure.
std::vector<DoorKey> staleUdpDoors(const Doors& before, const Doors& now);

}  // namespace keelson::proxy
