// The node's side of BridgeNetwork: bridge, sysctls, rules, the memory's recovery, and what others change.
#include <algorithm>

#include "cni/bridge_network.h"
#include "cni/host_sysctl.h"
#include "cni/pod_link.h"
#include "kernel/conntrack.h"

namespace keelson::cni {
namespace {

constexpr uint32_t kDefaultMtu = 1500;
constexpr int kCommitTries = 32;         // each lost to somebody else's commit
constexpr size_t kOwnGenerations = 256;  // remembered to tell our commits from others'
constexpr std::chrono::seconds kLoadTime{10};

std::vector<kernel::nft::Element> elementsOf(const kernel::nft::TableState& table, const char* set) {
  std::vector<kernel::nft::Element> elements;
  const auto found = table.sets.find(set);
  if (found == table.sets.end()) return elements;
  for (const auto& [key, element] : found->second.elements) elements.push_back(element);
  return elements;
}

}  // namespace

Result<void> BridgeNetwork::load() {
  auto loaded = TRY(store_->load());
  if (loaded.broken) {
    Stop stop{kLoadTime};
    loaded.records = TRY(deriveRecords(stop));
  }
  state_.with([&](State& state) {
    for (const auto& [uid, record] : loaded.records.pods) state.attached.insert(uid);
    state.records = std::move(loaded.records);
    state.records_error = std::move(loaded.broken);
    ++state.revision;
  });
  return {};
}

Result<Records> BridgeNetwork::deriveRecords(Stop& stop) const {
  Records records;
  auto host = TRY(kernel::LinkSocket::open());
  for (const auto& link : TRY(host.links()))
    if (auto record = parseAlias(link.alias, link.name)) records.pods.insert_or_assign(record->uid, *record);
  auto nft = TRY(kernel::nft::openNft());
  // Of both families: which ranges the node has may not be known yet.
  for (const IpFamily family : {IpFamily::kV4, IpFamily::kV6}) {
    const auto table = TRY(nft->read({nftFamily(family), options_.nft_table}, stop));
    const auto any_host = elementsOf(table, kAnyHostMap), one_host = elementsOf(table, kOneHostMap);
    for (auto& [uid, record] : records.pods) {
      // A port of all addresses is in both families' tables and was one mapping.
      for (auto& port : portsOf(any_host, one_host, record.addresses)) {
        const bool again =
            std::any_of(record.ports.begin(), record.ports.end(), [&](const PortMapping& known) {
              return known.protocol == port.protocol && known.host_port == port.host_port &&
                     known.host_ip == port.host_ip;
            });
        if (!again) record.ports.push_back(std::move(port));
      }
    }
  }
  return records;
}

std::optional<Error> BridgeNetwork::takeRecordsError() {
  return state_.with([](State& state) { return std::exchange(state.records_error, std::nullopt); });
}

Result<uint32_t> BridgeNetwork::lookUpMtu(kernel::LinkSocket& host) const {
  if (options_.mtu != 0) return options_.mtu;
  const auto route = TRY(host.defaultRoute(plan_.copy()->ranges.front().prefix.network.family));
  if (!route) return kDefaultMtu;
  for (const auto& link : TRY(host.links()))
    if (link.index == route->link && link.mtu != 0) return link.mtu;
  return kDefaultMtu;
}

// Kept, since a look means listing the host's routes. The bridge's own MTU is no source for it: the kernel
// sets that to 1500 whenever the last port leaves.
Result<uint32_t> BridgeNetwork::mtu(kernel::LinkSocket& host) {
  const uint32_t known = state_.with([](const State& state) { return state.mtu; });
  if (known != 0) return known;
  const uint32_t found = TRY(lookUpMtu(host));
  state_.with([&](State& state) { state.mtu = found; });
  return found;
}

Result<kernel::Link> BridgeNetwork::ensureBridge(kernel::LinkSocket& host, Stop& stop) {
  const auto plan = plan_.copy();
  auto bridge = TRY(host.find(options_.bridge));
  if (!bridge) {
    const kernel::CreateBridge create{options_.bridge, macOf(plan->ranges.front().gateway), TRY(mtu(host))};
    auto made = host.apply({create}, stop);
    if (!made && made.error().code != Code::kAlreadyExists)
      return std::move(made).error();  // another thread's
    bridge = TRY(host.find(options_.bridge));
    if (!bridge)
      return makeError(Code::kUnavailable, "bridge {} vanished while it was made", options_.bridge);
  }
  if (bridge->kind != "bridge")
    return makeError(Code::kFailedPrecondition, "link {} is a {}, not a bridge", options_.bridge,
                     bridge->kind.empty() ? "plain device" : bridge->kind);
  if (!bridge->up) TRY(host.apply({kernel::SetLinkUp{bridge->index}}, stop));
  const auto have = TRY(host.addresses());
  for (const auto& range : plan->ranges) {
    const kernel::LinkAddress gateway{bridge->index, range.gateway, range.prefix.length};
    if (std::find(have.begin(), have.end(), gateway) != have.end()) continue;
    auto added = host.apply({kernel::AddAddress{gateway}}, stop);
    if (!added && added.error().code != Code::kAlreadyExists) return std::move(added).error();
  }
  return *bridge;
}

// A bridge that is made anew has no ports: the pods' host ends join it again.
Result<void> BridgeNetwork::ensurePorts(kernel::LinkSocket& host, int bridge, Stop& stop) {
  const auto records = state_.with([](const State& state) {
    std::map<std::string, PodRecord> by_link;
    for (const auto& [uid, record] : state.records.pods)
      if (state.attached.contains(uid)) by_link.emplace(record.host_link, record);
    return by_link;
  });
  if (records.empty()) return {};
  ErrorList errors;
  for (const auto& link : TRY(host.links())) {
    const auto found = records.find(link.name);
    if (found == records.end()) continue;
    auto joined = ensurePort(link, found->second, bridge, options_.hairpin, host, stop);
    if (!joined && joined.error().code != Code::kNotFound)  // its pod may be ending
      errors.add(std::move(joined).error().withContext("port of pod " + found->second.full_name));
  }
  return errors.result();
}

Result<void> BridgeNetwork::ensureSysctls() const {
  const auto plan = plan_.copy();
  for (const auto& range : plan->ranges) {
    if (range.prefix.network.family == IpFamily::kV4)
      TRY(ensureSysctl("ipv4/ip_forward", "1"));
    else
      TRY(ensureSysctl("ipv6/conf/all/forwarding", "1"));
  }
  const bool host_ports = state_.with([](const State& state) {
    return std::any_of(state.records.pods.begin(), state.records.pods.end(),
                       [](const auto& entry) { return !entry.second.ports.empty(); });
  });
  // Host ports answer on 127.0.0.1 too; never taken back, since the loopback-guard chain bars what it opens.
  // Without the bridge there is no such file: ensureNode() makes it and comes here again.
  if (host_ports) {
    auto done = ensureSysctl("ipv4/conf/" + options_.bridge + "/route_localnet", "1");
    if (!done && done.error().code != Code::kNotFound) return done;
  }
  // Where br_netfilter is loaded, answers between two pods of this bridge must pass conntrack, or a
  // Service's translation is not undone (Kubernetes' own requirement). Where it is not, there is no such
  // file.
  for (const char* name : {"bridge/bridge-nf-call-iptables", "bridge/bridge-nf-call-ip6tables"}) {
    auto done = ensureSysctl(name, "1");
    if (!done && done.error().code != Code::kNotFound) return done;
  }
  return {};
}

// The order makes it safe without a lock: generation, then records, then commit for that generation. A
// change of records by another thread either is seen here, or its own commit comes later and repairs, or came
// between and makes ours stale.
Result<void> BridgeNetwork::ensureRules(IpFamily family, Stop& stop) {
  const auto plan = plan_.copy();
  auto nft = TRY(kernel::nft::openNft());
  for (int i = 0; i < kCommitTries; ++i) {
    const auto have = TRY(nft->read({nftFamily(family), plan->table}, stop));
    const auto want =
        buildTable(*plan, family, state_.with([](const State& state) { return state.records; }));
    const auto batch = TRY(kernel::nft::planTable(have, want));
    if (batch.empty()) return {};
    const auto done = nft->commit(batch, have.generation, stop);
    if (done) {
      state_.with([&](State& state) {
        state.own_generations.push_back(*done);
        if (state.own_generations.size() > kOwnGenerations) state.own_generations.pop_front();
      });
      return {};
    }
    if (!kernel::nft::isStale(done.error())) return done.error();
    TRY(stop.check("nft commit"));
  }
  return makeError(Code::kUnavailable, "nft table {}: {} commits in a row met somebody else's", plan->table,
                   kCommitTries);
}

Result<void> BridgeNetwork::ensureRules(Stop& stop) {
  const uint64_t revision = state_.with([](const State& state) { return state.revision; });
  const auto plan = plan_.copy();
  for (const auto& range : plan->ranges)
    TRY_CTX(ensureRules(range.prefix.network.family, stop), "host ports and masquerade");
  TRY(ensureSysctls());
  state_.with([&](State& state) {
    if (state.revision == revision) state.rules_behind = false;
  });
  return {};
}

Result<void> BridgeNetwork::forgetFlows(const std::vector<PortMapping>& ports, Stop& stop) const {
  const auto plan = plan_.copy();
  for (const auto& port : ports) {
    if (port.protocol != "UDP") continue;
    std::optional<IpAddress> host;
    if (!isAnyHost(port.host_ip)) host = TRY(IpAddress::parse(port.host_ip));
    for (const auto& range : plan->ranges) {
      const IpFamily family = range.prefix.network.family;
      if (host && host->family != family) continue;
      TRY_CTX(kernel::forgetUdpFlows(family, port.host_port, host, stop), "host port {}/UDP", port.host_port);
    }
  }
  return {};
}

Result<void> BridgeNetwork::ensureNode(Stop& stop) {
  if (!ready()) return {};
  auto host = TRY(kernel::LinkSocket::open());
  state_.with([](State& state) { state.mtu = 0; });  // the default route may be another by now
  const auto bridge = TRY_CTX(ensureBridge(host, stop), "pod network bridge {}", options_.bridge);
  ErrorList errors;  // one part that cannot be repaired does not keep the others broken
  errors.add(ensurePorts(host, bridge.index, stop));
  errors.add(ensureRules(stop));
  return errors.result();
}

Result<std::vector<PodUid>> BridgeNetwork::damaged() const {
  auto host = TRY(kernel::LinkSocket::open());
  std::set<std::string> present;
  for (const auto& link : TRY(host.links())) present.insert(link.name);
  return state_.with([&](const State& state) {
    std::vector<PodUid> uids;
    for (const auto& uid : state.attached) {
      const auto found = state.records.pods.find(uid);
      if (found != state.records.pods.end() && !present.contains(found->second.host_link))
        uids.push_back(uid);
    }
    return uids;
  });
}

bool BridgeNetwork::drainChanges() {
  const auto links = link_watch_.drain();
  const auto rules = rule_watch_.drain();
  const auto plan = plan_.copy();
  return state_.with([&](const State& state) {
    std::set<std::string> ports;
    for (const auto& uid : state.attached) {
      const auto found = state.records.pods.find(uid);
      if (found != state.records.pods.end()) ports.insert(found->second.host_link);
    }
    const auto ours = [&](uint32_t generation) {
      return std::find(state.own_generations.begin(), state.own_generations.end(), generation) !=
             state.own_generations.end();
    };
    const auto removed = [&](const std::string& name) {
      return name == options_.bridge || ports.contains(name);
    };
    const auto broken = [&](const kernel::Link& link) {
      if (link.name == options_.bridge) return !link.up;
      return ports.contains(link.name) && (!link.up || link.master == 0);
    };
    const auto isGateway = [&](const kernel::LinkAddress& lost) {
      return std::any_of(plan->ranges.begin(), plan->ranges.end(),
                         [&](const AddressRange& range) { return range.gateway == lost.address; });
    };
    return links.lost || rules.lost ||
           !std::all_of(rules.generations.begin(), rules.generations.end(), ours) ||
           std::any_of(links.removed.begin(), links.removed.end(), removed) ||
           std::any_of(links.changed.begin(), links.changed.end(), broken) ||
           std::any_of(links.lost_addresses.begin(), links.lost_addresses.end(), isGateway);
  });
}

}  // namespace keelson::cni
