#include "kernel/link.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <netlink/addr.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>
#include <netlink/socket.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "kernel/link_change.h"
#include "kernel/netns.h"

namespace keelson::kernel {
namespace {

constexpr timeval kAnswerTimeout{10, 0};  // the kernel answers inside sendmsg; this guards a lost answer

struct FreeCache {
  void operator()(nl_cache* cache) const { nl_cache_free(cache); }
};
using CachePtr = std::unique_ptr<nl_cache, FreeCache>;

Error libnlError(int error, std::string_view what) {
  switch (-error) {
    case NLE_PERM:
    case NLE_NOACCESS:
      return errnoError(EPERM, what);
    case NLE_NODEV:
      return errnoError(ENODEV, what);
    case NLE_OBJ_NOTFOUND:
      return errnoError(ENOENT, what);
    case NLE_AGAIN:
      return makeError(Code::kDeadlineExceeded, "{}: no answer from the kernel", what);
    case NLE_DUMP_INTR:
      return makeError(Code::kUnavailable, "{}: changed meanwhile", what);
    default:
      return makeError(Code::kInternal, "{}: {}", what, nl_geterror(error));
  }
}

IpFamily familyOf(int family) { return family == AF_INET6 ? IpFamily::kV6 : IpFamily::kV4; }

std::optional<IpAddress> ipOf(nl_addr* address) {
  if (!address) return {};
  const int family = nl_addr_get_family(address);
  if (family != AF_INET && family != AF_INET6) return {};
  IpAddress out;
  out.family = familyOf(family);
  if (nl_addr_get_len(address) != out.size()) return {};
  std::memcpy(out.bytes.data(), nl_addr_get_binary_addr(address), out.size());
  return out;
}

// A dump that a change interrupted is asked for again.
template <class Fill>
Result<CachePtr> fillCache(std::string_view what, Fill&& fill) {
  constexpr int kTries = 8;
  int error = 0;
  for (int i = 0; i < kTries; ++i) {
    nl_cache* cache = nullptr;
    error = fill(&cache);
    if (error >= 0) return CachePtr(cache);
    if (error != -NLE_DUMP_INTR) break;
  }
  return libnlError(error, what);
}

template <class Object, class Visit>
void forEachObject(nl_cache* cache, Visit&& visit) {
  for (auto* object = nl_cache_get_first(cache); object; object = nl_cache_get_next(object))
    visit(reinterpret_cast<Object*>(object));
}

}  // namespace

Link linkOf(rtnl_link* link) {
  Link out;
  out.index = rtnl_link_get_ifindex(link);
  if (const char* name = rtnl_link_get_name(link)) out.name = name;
  if (const char* kind = rtnl_link_get_type(link)) out.kind = kind;
  if (const char* alias = rtnl_link_get_ifalias(link)) out.alias = alias;
  out.up = (rtnl_link_get_flags(link) & IFF_UP) != 0;
  const uint8_t state = rtnl_link_get_operstate(link);
  out.carries = out.up && (state == IF_OPER_UP || state == IF_OPER_UNKNOWN);
  out.master = rtnl_link_get_master(link);
  out.peer = rtnl_link_get_link(link);
  out.mtu = rtnl_link_get_mtu(link);
  nl_addr* mac = rtnl_link_get_addr(link);
  if (mac && nl_addr_get_len(mac) == out.mac.size())
    std::memcpy(out.mac.data(), nl_addr_get_binary_addr(mac), out.mac.size());
  return out;
}

std::optional<LinkAddress> addressOf(rtnl_addr* address) {
  nl_addr* local = rtnl_addr_get_local(address);
  const auto ip = ipOf(local);
  if (!ip) return {};
  return LinkAddress{rtnl_addr_get_ifindex(address), *ip,
                     static_cast<uint8_t>(rtnl_addr_get_prefixlen(address))};
}

LinkSocket::LinkSocket(NetlinkSocket raw, nl_sock* sock) : raw_(std::move(raw)), sock_(sock) {}
LinkSocket::LinkSocket(LinkSocket&& other) noexcept
    : raw_(std::move(other.raw_)), sock_(std::exchange(other.sock_, nullptr)) {}
LinkSocket& LinkSocket::operator=(LinkSocket&& other) noexcept {
  std::swap(raw_, other.raw_);
  std::swap(sock_, other.sock_);
  return *this;
}
LinkSocket::~LinkSocket() {
  if (sock_) nl_socket_free(sock_);  // closes its descriptor
}

Result<LinkSocket> LinkSocket::open(int netns) {
  auto raw = TRY_CTX(NetlinkSocket::open(NETLINK_ROUTE, netns), "open rtnetlink");
  auto second = TRY_CTX(NetlinkSocket::open(NETLINK_ROUTE, netns), "open rtnetlink");
  ::setsockopt(second.fd(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout, sizeof kAnswerTimeout);
  // Extended acknowledgements come without the request, which libnl's parser expects to be there.
  const int off = 0;
  ::setsockopt(second.fd(), SOL_NETLINK, NETLINK_CAP_ACK, &off, sizeof off);
  UniqueFd fd(::fcntl(second.fd(), F_DUPFD_CLOEXEC, 0));
  if (!fd) return sysError("open rtnetlink");
  nl_sock* sock = nl_socket_alloc();
  if (!sock) return makeError(Code::kResourceExhausted, "open rtnetlink: no memory");
  if (const int error = nl_socket_set_fd(sock, NETLINK_ROUTE, fd.get()); error < 0) {
    nl_socket_free(sock);
    return libnlError(error, "open rtnetlink");
  }
  fd.release();
  return LinkSocket(std::move(raw), sock);
}

Result<std::optional<Link>> LinkSocket::find(const std::string& name) {
  rtnl_link* found = nullptr;
  const int error = rtnl_link_get_kernel(sock_, 0, name.c_str(), &found);
  if (error == -NLE_OBJ_NOTFOUND || error == -NLE_NODEV) return std::optional<Link>{};
  if (error < 0) return libnlError(error, fmt::format("find link {}", name));
  const std::unique_ptr<rtnl_link, void (*)(rtnl_link*)> link(found, rtnl_link_put);
  return std::optional<Link>{linkOf(link.get())};
}

Result<std::vector<Link>> LinkSocket::links() {
  const auto cache = TRY(
      fillCache("list links", [&](nl_cache** out) { return rtnl_link_alloc_cache(sock_, AF_UNSPEC, out); }));
  std::vector<Link> links;
  forEachObject<rtnl_link>(cache.get(), [&](rtnl_link* link) { links.push_back(linkOf(link)); });
  return links;
}

Result<std::vector<LinkAddress>> LinkSocket::addresses() {
  const auto cache =
      TRY(fillCache("list addresses", [&](nl_cache** out) { return rtnl_addr_alloc_cache(sock_, out); }));
  std::vector<LinkAddress> addresses;
  forEachObject<rtnl_addr>(cache.get(), [&](rtnl_addr* address) {
    if (const auto value = addressOf(address)) addresses.push_back(*value);
  });
  return addresses;
}

Result<std::optional<DefaultRoute>> LinkSocket::defaultRoute(IpFamily family) {
  const int number = family == IpFamily::kV4 ? AF_INET : AF_INET6;
  const auto cache = TRY(fillCache(
      "list routes", [&](nl_cache** out) { return rtnl_route_alloc_cache(sock_, number, 0, out); }));
  std::optional<DefaultRoute> best;
  uint32_t best_metric = 0;
  forEachObject<rtnl_route>(cache.get(), [&](rtnl_route* route) {
    nl_addr* destination = rtnl_route_get_dst(route);
    const bool everything = !destination || nl_addr_get_prefixlen(destination) == 0;
    if (!everything || rtnl_route_get_table(route) != RT_TABLE_MAIN ||
        rtnl_route_get_type(route) != RTN_UNICAST)
      return;
    const uint32_t metric = rtnl_route_get_priority(route);
    auto* hop = rtnl_route_nexthop_n(route, 0);
    if (!hop || (best && metric >= best_metric)) return;
    best = DefaultRoute{rtnl_route_nh_get_ifindex(hop), ipOf(rtnl_route_nh_get_gateway(hop))};
    best_metric = metric;
  });
  return best;
}

Result<void> LinkSocket::apply(const std::vector<LinkChange>& changes, Stop& stop) {
  if (changes.empty()) return {};
  const auto count = static_cast<uint32_t>(changes.size());
  const uint32_t first = raw_.sequences(count);
  std::string bytes;
  for (uint32_t i = 0; i < count; ++i) bytes += TRY(encodeLinkChange(changes[i], first + i));
  TRY(raw_.send(bytes));
  uint32_t answered = 0;
  Result<void> failed;
  const auto answer = [&](const nlmsghdr& message) -> Result<NetlinkSocket::Next> {
    using Next = NetlinkSocket::Next;
    const uint32_t index = message.nlmsg_seq - first;
    if (message.nlmsg_type != NLMSG_ERROR || index >= count) return Next::kMore;
    if (const int error = netlinkErrno(message); error != 0 && failed)
      failed = errnoError(error, renderLinkChange(changes[index]));
    return ++answered == count ? Next::kDone : Next::kMore;
  };
  TRY(raw_.receive(answer, stop));
  return failed;
}

}  // namespace keelson::kernel
