// Keeps the iptables chains of kube-proxy's layout equal to the doors, through iptables-restore.
#pragma once

#include <map>
#include <vector>

#include "proxy/data_plane.h"
#include "proxy/iptables_rules.h"

namespace keelson::proxy {

// For hosts that need it: each sync that changes something runs one program a family, and a change of one
// service rewrites the chain that lists all of them. Home: one strand.
class IptablesBackend final : public DataPlane {
 public:
  IptablesBackend(IptablesSettings settings, std::vector<IpFamily> families)
      : settings_(std::move(settings)), families_(std::move(families)) {}

  Result<SyncReport> sync(const Doors& doors, const std::vector<DoorChange>& changes, Stop& stop) override;
  void distrust() override { have_.clear(); }
  // Asks for the canary chains: what flushed our chains took them, too.
  Result<bool> intact(Stop& stop) override;
  // Fine where there is no iptables.
  Result<void> remove(Stop& stop) override;

 private:
  Result<void> change(IpFamily family, const Doors& doors, SyncReport& report, Stop& stop);

  const IptablesSettings settings_;
  const std::vector<IpFamily> families_;
  std::map<IpFamily, IptablesTables> have_;
};

}  // namespace keelson::proxy
