#include "cni/pod_link.h"

#include <poll.h>

#include <algorithm>
#include <charconv>

#include "base/sha256.h"

namespace keelson::cni {
namespace {

using kernel::LinkChange;

constexpr const char* kPodLink = "eth0";
constexpr int kLoopback = 1;  // lo is the first link of every namespace
constexpr int kFirstFreeIndex = 2;
constexpr std::chrono::milliseconds kCarrierWait{100};

int freeIndex(const std::vector<kernel::Link>& links) {
  int index = kFirstFreeIndex;
  for (const auto& link : links) index = std::max(index, link.index + 1);
  return index;
}

std::vector<LinkChange> planEth0(const PodLinkRequest& request, int index) {
  const PodRecord& record = request.record;
  std::vector<LinkChange> changes;
  changes.emplace_back(kernel::CreateVeth{kPodLink, index, macOf(record.addresses.front()), request.mtu,
                                          record.host_link, request.host_netns});
  changes.emplace_back(kernel::SetLinkUp{kLoopback});
  for (size_t i = 0; i < record.addresses.size(); ++i)
    changes.emplace_back(kernel::AddAddress{{index, record.addresses[i], request.ranges[i].prefix.length}});
  changes.emplace_back(kernel::SetLinkUp{index});
  for (const auto& range : request.ranges)
    changes.emplace_back(kernel::AddDefaultRoute{index, range.gateway});
  return changes;
}

// Until both ends and the bridge carry frames. The kernel's link watch enables a port some milliseconds after
// it came up; what is sent before is lost, and the sender's next try (ARP, SYN) comes a second later. From
// Linux 6.8 on asking for the link is enough to make it happen. Not an error if it takes longer.
Result<void> awaitCarrier(const std::string& host_end, const std::string& bridge, kernel::LinkSocket& pod,
                          kernel::LinkSocket& host, kernel::LinkWatch& watch, Stop& stop) {
  const Stop wait = stop.within(kCarrierWait);
  for (;;) {
    const auto inner = TRY(pod.find(kPodLink));
    const auto outer = TRY(host.find(host_end));
    const auto middle = TRY(host.find(bridge));  // last: it follows its ports
    if (inner && outer && middle && inner->carries && outer->carries && middle->carries) return {};
    if (wait.expired() || stop.cancelled()) return {};
    pollfd poll{watch.fd(), POLLIN, 0};
    ::poll(&poll, 1, static_cast<int>(wait.remaining().count()) + 1);
    watch.drain();
  }
}

// True if eth0 needs nothing: up, all addresses, all default routes.
Result<bool> isComplete(const PodLinkRequest& request, const kernel::Link& eth0, kernel::LinkSocket& pod) {
  if (!eth0.up || eth0.kind != "veth") return false;
  const auto present = TRY(presentAddresses(pod));
  for (const auto& address : request.record.addresses)
    if (std::find(present.begin(), present.end(), address) == present.end()) return false;
  for (const auto& range : request.ranges) {
    const auto route = TRY(pod.defaultRoute(range.gateway.family));
    if (!route || route->link != eth0.index || route->gateway != range.gateway) return false;
  }
  return true;
}

}  // namespace

kernel::MacAddress macOf(const IpAddress& address) {
  if (address.family == IpFamily::kV4)
    return {0x0a, 0x58, address.bytes[0], address.bytes[1], address.bytes[2], address.bytes[3]};
  const std::string digest = sha256Hex(address.str());
  kernel::MacAddress mac{0x0a, 0x58};
  for (size_t i = 2; i < mac.size(); ++i) std::from_chars(&digest[i * 2], &digest[i * 2] + 2, mac[i], 16);
  return mac;
}

Result<std::vector<IpAddress>> presentAddresses(kernel::LinkSocket& pod) {
  std::vector<IpAddress> present;
  const auto eth0 = TRY(pod.find(kPodLink));
  if (!eth0) return present;
  for (const auto& address : TRY(pod.addresses()))
    if (address.link == eth0->index) present.push_back(address.address);
  return present;
}

Result<void> ensurePort(const kernel::Link& link, const PodRecord& record, int bridge, bool hairpin,
                        kernel::LinkSocket& host, Stop& stop) {
  if (link.master == bridge && link.up) return {};
  std::vector<LinkChange> changes{kernel::JoinBridge{link.name, bridge, renderAlias(record)}};
  if (hairpin) changes.emplace_back(kernel::SetHairpin{link.index});
  return host.apply(changes, stop);
}

Result<void> ensurePodLink(const PodLinkRequest& request, kernel::LinkSocket& pod, kernel::LinkSocket& host,
                           Stop& stop) {
  const PodRecord& record = request.record;
  auto host_end = TRY(host.find(record.host_link));
  const auto eth0 = TRY(pod.find(kPodLink));
  auto watch = TRY(kernel::LinkWatch::open());
  const bool keep = eth0 && host_end && eth0->peer == host_end->index && TRY(isComplete(request, *eth0, pod));
  if (!keep) {
    if (eth0) TRY(pod.apply({kernel::RemoveLink{eth0->index}}, stop));
    const auto links = TRY(pod.links());
    TRY(pod.apply(planEth0(request, freeIndex(links)), stop));
    host_end = TRY(host.find(record.host_link));
    if (!host_end)
      return makeError(Code::kNotFound, "host link {} vanished while it was made", record.host_link);
  }
  TRY(ensurePort(*host_end, record, request.bridge, request.hairpin, host, stop));
  return awaitCarrier(record.host_link, request.bridge_name, pod, host, watch, stop);
}

Result<void> removePodLink(kernel::LinkSocket& pod, Stop& stop) {
  const auto eth0 = TRY(pod.find(kPodLink));
  if (!eth0) return {};
  auto removed = pod.apply({kernel::RemoveLink{eth0->index}}, stop);
  if (!removed && removed.error().code == Code::kNotFound) return {};
  return removed;
}

}  // namespace keelson::cni
