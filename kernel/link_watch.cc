#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/object.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>

#include "kernel/link.h"
#include "kernel/link_change.h"

namespace keelson::kernel {
namespace {

constexpr size_t kMaxDatagrams = 4096;  // read by one drain(); more is "lost"
constexpr size_t kDatagram = 32768;     // one link with all its attributes is some 2 KiB

struct Parsed {
  LinkWatch::Changes* changes;
  uint16_t type;
};

void takeObject(nl_object* object, void* data) {
  auto& parsed = *static_cast<Parsed*>(data);
  auto& changes = *parsed.changes;
  if (parsed.type == RTM_DELADDR) {
    if (const auto address = addressOf(reinterpret_cast<rtnl_addr*>(object)))
      changes.lost_addresses.push_back(*address);
    return;
  }
  auto link = linkOf(reinterpret_cast<rtnl_link*>(object));
  if (parsed.type == RTM_DELLINK)
    changes.removed.push_back(std::move(link.name));
  else
    changes.changed.push_back(std::move(link));
}

// Port changes come a second time as family AF_BRIDGE, where RTM_DELLINK only means "left the bridge";
// the link's own message says the same.
bool isOfInterest(const nlmsghdr& message) {
  if (message.nlmsg_type == RTM_DELADDR) return true;
  if (message.nlmsg_type != RTM_NEWLINK && message.nlmsg_type != RTM_DELLINK) return false;
  return message.nlmsg_len >= NLMSG_LENGTH(sizeof(ifinfomsg)) &&
         static_cast<const ifinfomsg*>(NLMSG_DATA(&message))->ifi_family == AF_UNSPEC;
}

void parse(nlmsghdr& message, LinkWatch::Changes& changes) {
  if (!isOfInterest(message)) return;
  const std::unique_ptr<nl_msg, void (*)(nl_msg*)> copy(nlmsg_convert(&message), nlmsg_free);
  Parsed parsed{&changes, message.nlmsg_type};
  if (!copy) {
    changes.lost = true;
    return;
  }
  nlmsg_set_proto(copy.get(), NETLINK_ROUTE);
  if (nl_msg_parse(copy.get(), takeObject, &parsed) < 0) changes.lost = true;
}

}  // namespace

Result<LinkWatch> LinkWatch::open(int netns) {
  auto socket = TRY_CTX(NetlinkSocket::open(NETLINK_ROUTE, netns), "watch links");
  for (const int group : {int{RTNLGRP_LINK}, int{RTNLGRP_IPV4_IFADDR}, int{RTNLGRP_IPV6_IFADDR}})
    if (::setsockopt(socket.fd(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
      return sysError("watch links: join group {}", group);
  if (::fcntl(socket.fd(), F_SETFL, O_NONBLOCK) != 0) return sysError("watch links");
  return LinkWatch(std::move(socket));
}

LinkWatch::Changes LinkWatch::drain() {
  Changes changes;
  const auto buffer = std::make_unique_for_overwrite<char[]>(kDatagram);
  for (size_t i = 0; i < kMaxDatagrams; ++i) {
    const ssize_t n = ::recv(socket_.fd(), buffer.get(), kDatagram, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return changes;
    if (n < 0) {
      changes.lost = true;  // ENOBUFS is told once and cleared by that
      if (errno != ENOBUFS) return changes;
      continue;
    }
    auto left = static_cast<unsigned>(n);
    for (auto* message = reinterpret_cast<nlmsghdr*>(buffer.get()); NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left))
      parse(*message, changes);
  }
  changes.lost = true;
  return changes;
}

}  // namespace keelson::kernel
