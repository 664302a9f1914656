// What the pods see: attach, detach, reconcile, list. The node's side is in bridge_node.cc.
#include "cni/bridge_network.h"

#include <sys/epoll.h>

#include <algorithm>
#include <set>

#include "base/undo.h"
#include "cni/pod_link.h"
#include "kernel/netns.h"

namespace keelson::cni {
namespace {

constexpr int kLinkNameTries = 8;  // other links may have the first ones, for a while (a dying namespace)
constexpr size_t kMaxBridgeName = 15;

Result<std::shared_ptr<const NetworkPlan>> makePlan(const BridgeNetworkOptions& options,
                                                    const std::vector<IpPrefix>& pod_cidrs) {
  NetworkPlan plan{options.bridge, options.nft_table, {}, options.cluster_cidrs};
  if (options.bridge.empty() || options.bridge.size() > kMaxBridgeName)
    return makeError(Code::kInvalidArgument, "bridge name {}: 1 to {} bytes", options.bridge, kMaxBridgeName);
  std::set<IpFamily> families;
  for (const auto& prefix : pod_cidrs) {
    if (!families.insert(prefix.network.family).second)
      return makeError(Code::kInvalidArgument, "pod range {}: a second one of its family", prefix.str());
    plan.ranges.push_back(TRY(makeRange(prefix)));
  }
  // Named once here, so that no rule needs to (a match of all addresses is no match).
  for (const auto& prefix : options.cluster_cidrs)
    if (prefix.length == 0)
      return makeError(Code::kInvalidArgument, "cluster range {}: it is everything", prefix.str());
  return std::make_shared<const NetworkPlan>(std::move(plan));
}

Result<UniqueFd> epollOf(int first, int second) {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return sysError("epoll_create1");
  for (const int fd : {first, second}) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) return sysError("epoll_ctl");
  }
  return epoll;
}

}  // namespace

BridgeNetwork::BridgeNetwork(const BridgeNetworkOptions& options, std::shared_ptr<const NetworkPlan> plan,
                             std::unique_ptr<RecordStore> store, UniqueFd netns, kernel::LinkWatch links,
                             kernel::nft::NftWatch rules, UniqueFd epoll)
    : options_(options),
      plan_(std::move(plan)),
      store_(std::move(store)),
      netns_(std::move(netns)),
      link_watch_(std::move(links)),
      rule_watch_(std::move(rules)),
      epoll_(std::move(epoll)) {}

Result<std::unique_ptr<BridgeNetwork>> BridgeNetwork::open(const BridgeNetworkOptions& options) {
  auto plan = TRY(makePlan(options, options.pod_cidrs));
  auto store = TRY(RecordStore::open(options.state_directory));
  auto netns = TRY(kernel::openOwnNetns());
  auto links = TRY(kernel::LinkWatch::open());
  auto rules = TRY(kernel::nft::NftWatch::open());
  auto epoll = TRY(epollOf(links.fd(), rules.fd()));
  std::unique_ptr<BridgeNetwork> network(new BridgeNetwork(options, std::move(plan), std::move(store),
                                                           std::move(netns), std::move(links),
                                                           std::move(rules), std::move(epoll)));
  TRY(network->load());
  return network;
}

Result<void> BridgeNetwork::setPodCidrs(const std::vector<IpPrefix>& pod_cidrs) {
  if (pod_cidrs.empty()) return makeError(Code::kInvalidArgument, "pod network: no pod range is given");
  plan_.exchange(TRY(makePlan(options_, pod_cidrs)));
  return {};
}

Result<void> BridgeNetwork::ready() const {
  if (!plan_.copy()->ranges.empty()) return {};
  return makeError(Code::kFailedPrecondition, "pod network: the node has no podCIDR yet");
}

Result<void> BridgeNetwork::save() {
  const uint64_t revision = state_.with([](const State& state) { return state.revision; });
  return store_->save(revision, [&] {
    return state_.with([](const State& state) {
      return RecordStore::Snapshot{state.revision, state.records};
    });
  });
}

Result<PodRecord> BridgeNetwork::reserve(const AttachRequest& request,
                                         const std::vector<IpAddress>& present) {
  const auto plan = plan_.copy();
  return state_.with([&](State& state) -> Result<PodRecord> {
    auto record = TRY(planReservation(state.records, plan->ranges,
                                      {request.uid, request.full_name, request.ports, present}));
    const auto known = state.records.pods.find(request.uid);
    if (known != state.records.pods.end() && known->second == record) return record;
    if (known == state.records.pods.end()) state.records.last = record.addresses;
    state.records.pods.insert_or_assign(request.uid, record);
    ++state.revision;
    return record;
  });
}

Result<PodRecord> BridgeNetwork::makeLink(const AttachRequest& request, PodRecord record,
                                          kernel::LinkSocket& pod, Stop& stop) {
  auto host = TRY(kernel::LinkSocket::open());
  auto bridge = TRY(host.find(options_.bridge));
  if (!bridge) bridge = TRY(ensureBridge(host, stop));
  PodLinkRequest link{record,         plan_.copy()->ranges, bridge->index, bridge->name,
                      TRY(mtu(host)), options_.hairpin,     netns_.get()};
  for (int i = 0;; ++i) {
    auto made = ensurePodLink(link, pod, host, stop);
    if (made) return link.record;
    if (made.error().code != Code::kAlreadyExists || i == kLinkNameTries) return std::move(made).error();
    link.record.host_link = hostLinkName(request.uid, i + 1);
    state_.with([&](State& state) {
      const auto found = state.records.pods.find(request.uid);
      if (found != state.records.pods.end()) found->second.host_link = link.record.host_link;
      ++state.revision;
    });
    TRY(save());
  }
}

// Rules before flows: a flow forgotten earlier could come back under the old rules.
Result<void> BridgeNetwork::publishPorts(const PodRecord& record, const std::vector<PortMapping>& before,
                                         Stop& stop) {
  const bool behind = state_.with([](const State& state) { return state.rules_behind; });
  if (record.ports.empty() && before.empty() && !behind) return {};
  TRY(ensureRules(stop));
  TRY(forgetFlows(before, stop));
  return forgetFlows(record.ports, stop);
}

Result<std::vector<IpAddress>> BridgeNetwork::attach(const AttachRequest& request, Stop& stop) {
  const auto context = [&](auto result) {
    if (!result)
      return decltype(result)(std::move(result).error().withContext("network of pod " + request.full_name));
    return result;
  };
  TRY(context(ready()));
  TRY(context(stop.check("attach")));
  auto pod = TRY(context(kernel::LinkSocket::open(request.netns)));
  const auto present = TRY(context(presentAddresses(pod)));
  const auto known = state_.with([&](const State& state) {
    const auto found = state.records.pods.find(request.uid);
    return found == state.records.pods.end() ? std::optional<PodRecord>{} : found->second;
  });
  auto record = TRY(context(reserve(request, present)));
  Undo undo;
  undo.push([&] {
    // Best effort beside the error that is being returned: a pod known before keeps its address, a new
    // one leaves nothing. What fails here is found again by reconcile().
    Stop own{std::chrono::seconds(5)};
    if (!known) {
      (void)removePodLink(pod, own);
      (void)forget(request.uid, own);
    }
  });
  TRY(context(save()));
  record = TRY(context(makeLink(request, std::move(record), pod, stop)));
  const auto before = known ? known->ports : std::vector<PortMapping>{};
  if (before != record.ports || state_.with([](const State& state) { return state.rules_behind; }))
    TRY(context(publishPorts(record, before, stop)));
  state_.with([&](State& state) { state.attached.insert(request.uid); });
  undo.commit();
  return record.addresses;
}

Result<void> BridgeNetwork::forget(const PodUid& uid, Stop& stop) {
  const auto record = state_.with([&](State& state) -> std::optional<PodRecord> {
    const auto found = state.records.pods.find(uid);
    if (found == state.records.pods.end()) return {};
    auto gone = std::move(found->second);
    state.records.pods.erase(found);
    state.attached.erase(uid);
    state.rules_behind |= !gone.ports.empty();
    ++state.revision;
    return gone;
  });
  ErrorList errors;
  errors.add(save());
  PodRecord none;
  errors.add(publishPorts(none, record ? record->ports : std::vector<PortMapping>{}, stop));
  return errors.result();
}

Result<void> BridgeNetwork::detach(const PodUid& uid, Stop& stop) { return forget(uid, stop); }

Result<void> BridgeNetwork::reconcile(const std::set<PodUid>& live, Stop& stop) {
  std::vector<PodUid> gone;
  const auto kept = state_.with([&](const State& state) {
    for (const auto& [uid, record] : state.records.pods)
      if (!live.contains(uid)) gone.push_back(uid);
    return state.records;
  });
  ErrorList errors;
  for (const auto& uid : gone) errors.add(forget(uid, stop));

  auto host = kernel::LinkSocket::open();
  if (!host) {
    errors.add(std::move(host).error());
    return errors.result();
  }
  auto links = host->links();
  if (!links) {
    errors.add(std::move(links).error());
    return errors.result();
  }
  for (const auto& link : *links) {
    const auto owner = parseAlias(link.alias, link.name);
    if (!owner || link.kind != "veth") continue;
    const auto known = kept.pods.find(owner->uid);
    if (live.contains(owner->uid) && (known == kept.pods.end() || known->second.host_link == link.name))
      continue;
    auto removed = host->apply({kernel::RemoveLink{link.index}}, stop);
    if (!removed && removed.error().code != Code::kNotFound)
      errors.add(std::move(removed).error().withContext("link " + link.name));
  }
  return errors.result();
}

std::vector<PodNetwork::Entry> BridgeNetwork::list() const {
  return state_.with([](const State& state) {
    std::vector<Entry> entries;
    for (const auto& [uid, record] : state.records.pods)
      entries.push_back({uid, record.full_name, record.addresses, record.host_link});
    return entries;
  });
}

}  // namespace keelson::cni
