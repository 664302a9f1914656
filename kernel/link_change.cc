// Link changes into rtnetlink messages, built by libnl.
#include "kernel/link_change.h"

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/addr.h>
#include <netlink/msg.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/route.h>

#include <cerrno>
#include <memory>

namespace keelson::kernel {
namespace {

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

struct Free {
  void operator()(rtnl_link* link) const { rtnl_link_put(link); }
  void operator()(rtnl_addr* address) const { rtnl_addr_put(address); }
  void operator()(rtnl_route* route) const { rtnl_route_put(route); }
  void operator()(nl_addr* address) const { nl_addr_put(address); }
  void operator()(nl_msg* message) const { nlmsg_free(message); }
};
template <class T>
using Ptr = std::unique_ptr<T, Free>;
using Message = Ptr<nl_msg>;

Error noMemory() { return makeError(Code::kResourceExhausted, "no memory"); }

int familyNumber(IpFamily family) { return family == IpFamily::kV4 ? AF_INET : AF_INET6; }

Ptr<nl_addr> nlAddress(const IpAddress& address, int prefix_length) {
  Ptr<nl_addr> out(nl_addr_build(familyNumber(address.family), address.bytes.data(), address.size()));
  if (out) nl_addr_set_prefixlen(out.get(), prefix_length);
  return out;
}

bool setMac(rtnl_link* link, const MacAddress& mac) {
  const Ptr<nl_addr> address(nl_addr_build(AF_LLC, mac.data(), mac.size()));
  if (!address) return false;
  rtnl_link_set_addr(link, address.get());  // takes its own reference
  return true;
}

Result<Message> built(nl_msg* message, int error) {
  if (error < 0) return makeError(Code::kInvalidArgument, "libnl: {}", nl_geterror(error));
  return Message(message);
}

Result<Message> addLink(rtnl_link* link) {
  nl_msg* message = nullptr;
  const int error = rtnl_link_build_add_request(link, NLM_F_CREATE | NLM_F_EXCL, &message);
  return built(message, error);
}

Result<Message> createBridge(const CreateBridge& change) {
  const Ptr<rtnl_link> link(rtnl_link_alloc());
  if (!link || rtnl_link_set_type(link.get(), "bridge") < 0 || !setMac(link.get(), change.mac))
    return noMemory();
  rtnl_link_set_name(link.get(), change.name.c_str());
  if (change.mtu != 0) rtnl_link_set_mtu(link.get(), change.mtu);
  rtnl_link_set_flags(link.get(), IFF_UP);
  return addLink(link.get());
}

Result<Message> createVeth(const CreateVeth& change) {
  const std::unique_ptr<rtnl_link, void (*)(rtnl_link*)> link(rtnl_link_veth_alloc(), rtnl_link_veth_release);
  if (!link || !setMac(link.get(), change.mac)) return noMemory();
  rtnl_link_set_name(link.get(), change.name.c_str());
  rtnl_link_set_ifindex(link.get(), change.index);
  const Ptr<rtnl_link> peer(rtnl_link_veth_get_peer(link.get()));  // a reference of our own
  rtnl_link_set_name(peer.get(), change.peer.c_str());
  rtnl_link_set_ns_fd(peer.get(), change.peer_netns);
  if (change.mtu != 0) {
    rtnl_link_set_mtu(link.get(), change.mtu);
    rtnl_link_set_mtu(peer.get(), change.mtu);
  }
  return addLink(link.get());
}

// RTM_NEWLINK without NLM_F_CREATE changes what is named, by index or else by IFLA_IFNAME.
Message linkMessage(int type, int flags, const ifinfomsg& info) {
  Message message(nlmsg_alloc_simple(type, flags));
  if (message && nlmsg_append(message.get(), const_cast<ifinfomsg*>(&info), sizeof info, NLMSG_ALIGNTO) < 0)
    message.reset();
  return message;
}

Result<Message> setLinkUp(const SetLinkUp& change) {
  ifinfomsg info{};
  info.ifi_index = change.link;
  info.ifi_flags = info.ifi_change = IFF_UP;
  auto message = linkMessage(RTM_NEWLINK, 0, info);
  if (!message) return noMemory();
  return message;
}

Result<Message> joinBridge(const JoinBridge& change) {
  ifinfomsg info{};
  info.ifi_flags = info.ifi_change = IFF_UP;
  auto message = linkMessage(RTM_NEWLINK, 0, info);
  if (!message || nla_put_string(message.get(), IFLA_IFNAME, change.link.c_str()) < 0 ||
      nla_put_u32(message.get(), IFLA_MASTER, static_cast<uint32_t>(change.bridge)) < 0)
    return noMemory();
  if (!change.alias.empty() &&
      nla_put(message.get(), IFLA_IFALIAS, static_cast<int>(change.alias.size()), change.alias.data()) < 0)
    return noMemory();
  return message;
}

Result<Message> setHairpin(const SetHairpin& change) {
  ifinfomsg info{};
  info.ifi_family = AF_BRIDGE;
  info.ifi_index = change.link;
  auto message = linkMessage(RTM_SETLINK, 0, info);
  if (!message) return noMemory();
  auto* nest = nla_nest_start(message.get(), IFLA_PROTINFO | NLA_F_NESTED);
  if (!nest || nla_put_u8(message.get(), IFLA_BRPORT_MODE, 1) < 0) return noMemory();
  nla_nest_end(message.get(), nest);
  return message;
}

Result<Message> addAddress(const AddAddress& change) {
  const auto local = nlAddress(change.address.address, change.address.prefix_length);
  const Ptr<rtnl_addr> address(rtnl_addr_alloc());
  if (!local || !address) return noMemory();
  rtnl_addr_set_ifindex(address.get(), change.address.link);
  if (const int error = rtnl_addr_set_local(address.get(), local.get()); error < 0)
    return built(nullptr, error);
  if (change.address.address.family == IpFamily::kV6) rtnl_addr_set_flags(address.get(), IFA_F_NODAD);
  nl_msg* message = nullptr;
  const int error = rtnl_addr_build_add_request(address.get(), NLM_F_CREATE | NLM_F_EXCL, &message);
  return built(message, error);
}

Result<Message> addDefaultRoute(const AddDefaultRoute& change) {
  const auto any = nlAddress({change.gateway.family, {}}, 0);
  const auto gateway = nlAddress(change.gateway, static_cast<int>(change.gateway.size() * 8));
  const Ptr<rtnl_route> route(rtnl_route_alloc());
  auto* hop = rtnl_route_nh_alloc();
  if (!any || !gateway || !route || !hop) {
    if (hop) rtnl_route_nh_free(hop);
    return noMemory();
  }
  rtnl_route_nh_set_ifindex(hop, change.link);
  rtnl_route_nh_set_gateway(hop, gateway.get());
  rtnl_route_add_nexthop(route.get(), hop);  // the route owns it now
  rtnl_route_set_family(route.get(), static_cast<uint8_t>(familyNumber(change.gateway.family)));
  rtnl_route_set_dst(route.get(), any.get());
  // Said outright, as libnl would find out by listing the links of its own namespace.
  rtnl_route_set_scope(route.get(), RT_SCOPE_UNIVERSE);
  rtnl_route_set_table(route.get(), RT_TABLE_MAIN);
  rtnl_route_set_protocol(route.get(), RTPROT_BOOT);
  nl_msg* message = nullptr;
  const int error = rtnl_route_build_add_request(route.get(), NLM_F_CREATE | NLM_F_EXCL, &message);
  return built(message, error);
}

Result<Message> removeLink(const RemoveLink& change) {
  ifinfomsg info{};
  info.ifi_index = change.link;
  auto message = linkMessage(RTM_DELLINK, 0, info);
  if (!message) return noMemory();
  return message;
}

}  // namespace

Result<std::string> encodeLinkChange(const LinkChange& change, uint32_t sequence) {
  const auto message =
      TRY_CTX(std::visit(Overloaded{[](const CreateBridge& c) { return createBridge(c); },
                                    [](const CreateVeth& c) { return createVeth(c); },
                                    [](const SetLinkUp& c) { return setLinkUp(c); },
                                    [](const JoinBridge& c) { return joinBridge(c); },
                                    [](const SetHairpin& c) { return setHairpin(c); },
                                    [](const AddAddress& c) { return addAddress(c); },
                                    [](const AddDefaultRoute& c) { return addDefaultRoute(c); },
                                    [](const RemoveLink& c) { return removeLink(c); }},
                         change),
              "{}", renderLinkChange(change));
  auto* header = nlmsg_hdr(message.get());
  header->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
  header->nlmsg_seq = sequence;
  header->nlmsg_pid = 0;
  std::string bytes(reinterpret_cast<const char*>(header), header->nlmsg_len);
  bytes.resize(NLMSG_ALIGN(bytes.size()));
  return bytes;
}

std::string renderLinkChange(const LinkChange& change) {
  return std::visit(
      Overloaded{
          [](const CreateBridge& c) { return fmt::format("create bridge {}", c.name); },
          [](const CreateVeth& c) { return fmt::format("create veth {} with peer {}", c.name, c.peer); },
          [](const SetLinkUp& c) { return fmt::format("set link {} up", c.link); },
          [](const JoinBridge& c) { return fmt::format("add link {} to bridge {}", c.link, c.bridge); },
          [](const SetHairpin& c) { return fmt::format("set hairpin on link {}", c.link); },
          [](const AddAddress& c) {
            return fmt::format("add address {}/{} to link {}", c.address.address.str(),
                               c.address.prefix_length, c.address.link);
          },
          [](const AddDefaultRoute& c) {
            return fmt::format("add default route by {} on link {}", c.gateway.str(), c.link);
          },
          [](const RemoveLink& c) { return fmt::format("remove link {}", c.link); }},
      change);
}

}  // namespace keelson::kernel
