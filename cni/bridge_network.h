// The pod network of this node: a bridge, a veth pair a pod, host ports by nftables.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "cni/pod_network.h"
#include "cni/record_store.h"
#include "cni/rules.h"
#include "kernel/link.h"
#include "kernel/nft.h"

namespace keelson::cni {

struct BridgeNetworkOptions {
  std::string bridge = "cni0";
  // This node's ranges, one a family: 10.244.0.0/24; the bridge has .1. Empty: setPodCidrs() tells them
  // later.
  std::vector<IpPrefix> pod_cidrs;
  std::vector<IpPrefix> cluster_cidrs;  // not masqueraded: 10.244.0.0/16
  uint32_t mtu = 0;                     // 0: that of the default route's link, else 1500
  bool hairpin = true;                  // a pod may reach itself through a Service
  std::string state_directory;  // made if missing; does not need to outlive the boot (a tmpfs is best)
  std::string nft_table = "keelson-cni";
};

// Works in the network namespace of the process. Owns the bridge, the nft tables named by the options and
// the records; veths belong to the pods' namespaces. Level-triggered: rules are always made equal to
// what the records say, so threads, crashes and foreign changes need no order among themselves. Owned by
// the agent, any thread; watchDescriptor() and drainChanges() belong to one thread, the loop.
class BridgeNetwork final : public PodNetwork {
 public:
  // Reads the records; touches neither links nor rules. kInvalidArgument names the option at fault.
  static Result<std::unique_ptr<BridgeNetwork>> open(const BridgeNetworkOptions& options);

  // The ranges, as the control plane gave them to the node; ensureNode() is due then. A pod keeps the address
  // it has. kInvalidArgument, and nothing changed, if they cannot work. Any thread.
  Result<void> setPodCidrs(const std::vector<IpPrefix>& pod_cidrs);
  // kFailedPrecondition until there is a range; attach() says the same, and ensureNode() does nothing.
  Result<void> ready() const;

  Result<void> ensureNode(Stop& stop) override;
  Result<std::vector<IpAddress>> attach(const AttachRequest& request, Stop& stop) override;
  Result<void> detach(const PodUid& uid, Stop& stop) override;
  Result<void> reconcile(const std::set<PodUid>& live, Stop& stop) override;
  std::vector<Entry> list() const override;

  // Why the records could not be read at open(), once. They were then derived from the host links' aliases
  // and the host-port rules, so nothing is handed out twice; the broken file is kept beside.
  std::optional<Error> takeRecordsError();

  // Pods whose host link is gone: attach() makes it again. A pod whose namespace is just dying is
  // among them until detach().
  Result<std::vector<PodUid>> damaged() const;

  // Readable when links or nftables of the host changed; then call drainChanges().
  int watchDescriptor() const { return epoll_.get(); }
  // Takes the news. True if ensureNode() is due: something of ours may have been touched by others.
  bool drainChanges();

 private:
  struct State {
    Records records;
    std::set<PodUid> attached;             // with a complete link; the rest is being made
    uint64_t revision = 0;                 // of records
    bool rules_behind = false;             // a change of host ports has not reached the kernel
    std::deque<uint32_t> own_generations;  // of the ruleset, made by us
    std::optional<Error> records_error;
    uint32_t mtu = 0;  // for new links; 0: not looked up yet
  };

  BridgeNetwork(const BridgeNetworkOptions& options, std::shared_ptr<const NetworkPlan> plan,
                std::unique_ptr<RecordStore> store, UniqueFd netns, kernel::LinkWatch links,
                kernel::nft::NftWatch rules, UniqueFd epoll);

  Result<void> load();
  Result<Records> deriveRecords(Stop& stop) const;
  Result<void> save();
  Result<void> forget(const PodUid& uid, Stop& stop);

  Result<uint32_t> mtu(kernel::LinkSocket& host);
  Result<uint32_t> lookUpMtu(kernel::LinkSocket& host) const;
  Result<kernel::Link> ensureBridge(kernel::LinkSocket& host, Stop& stop);
  Result<void> ensurePorts(kernel::LinkSocket& host, int bridge, Stop& stop);
  Result<void> ensureSysctls() const;
  Result<void> ensureRules(Stop& stop);
  Result<void> ensureRules(IpFamily family, Stop& stop);
  Result<void> forgetFlows(const std::vector<PortMapping>& ports, Stop& stop) const;

  Result<PodRecord> reserve(const AttachRequest& request, const std::vector<IpAddress>& present);
  Result<PodRecord> makeLink(const AttachRequest& request, PodRecord record, kernel::LinkSocket& pod,
                             Stop& stop);
  Result<void> publishPorts(const PodRecord& record, const std::vector<PortMapping>& before, Stop& stop);

  const BridgeNetworkOptions options_;
  Guarded<std::shared_ptr<const NetworkPlan>> plan_;
  const std::unique_ptr<RecordStore> store_;
  const UniqueFd netns_;
  kernel::LinkWatch link_watch_;
  kernel::nft::NftWatch rule_watch_;
  const UniqueFd epoll_;
  Guarded<State> state_;
};

}  // namespace keelson::cni
