#include "kernel/conntrack.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

namespace keelson::kernel {
namespace {

constexpr uint8_t kUdpProtocol = 17;
constexpr size_t kMaxFlows = 1'000'000;  // forgotten by one call; the kernel's own default limit is lower
// Which fields of the original tuple count: CTA_FILTER_FLAG of include/uapi's nfnetlink_conntrack is not
// exported; the numbers are from net/netfilter/nf_internals.h.
constexpr uint32_t kFilterDestination = 1u << 1, kFilterProtocol = 1u << 3, kFilterDestinationPort = 1u << 5;

nlmsghdr* start(char* buffer, int type, IpFamily family) {
  auto* header = mnl_nlmsg_put_header(buffer);
  header->nlmsg_type = static_cast<uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type);
  auto* message = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg)));
  message->nfgen_family = family == IpFamily::kV4 ? AF_INET : AF_INET6;
  message->version = NFNETLINK_V0;
  return header;
}

std::string bytesOf(const nlmsghdr* header) {
  return std::string(reinterpret_cast<const char*>(header), header->nlmsg_len);
}

std::string listRequest(IpFamily family, uint16_t port, const std::optional<IpAddress>& address) {
  alignas(nlmsghdr) std::array<char, 512> buffer{};
  auto* header = start(buffer.data(), IPCTNL_MSG_CT_GET, family);
  uint32_t flags = kFilterProtocol | kFilterDestinationPort;
  auto* tuple = mnl_attr_nest_start(header, CTA_TUPLE_ORIG);
  auto* ip = mnl_attr_nest_start(header, CTA_TUPLE_IP);
  const IpAddress any{family, {}};
  const IpAddress& destination = address ? *address : any;
  if (address) flags |= kFilterDestination;
  // The kernel wants both addresses present, even those that the flags leave out.
  const bool v4 = family == IpFamily::kV4;
  mnl_attr_put(header, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, any.size(), any.bytes.data());
  mnl_attr_put(header, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, destination.size(), destination.bytes.data());
  mnl_attr_nest_end(header, ip);
  auto* protocol = mnl_attr_nest_start(header, CTA_TUPLE_PROTO);
  mnl_attr_put_u8(header, CTA_PROTO_NUM, kUdpProtocol);
  mnl_attr_put_u16(header, CTA_PROTO_SRC_PORT, 0);
  mnl_attr_put_u16(header, CTA_PROTO_DST_PORT, htons(port));
  mnl_attr_nest_end(header, protocol);
  mnl_attr_nest_end(header, tuple);
  auto* filter = mnl_attr_nest_start(header, CTA_FILTER);
  mnl_attr_put_u32(header, CTA_FILTER_ORIG_FLAGS, flags);
  mnl_attr_nest_end(header, filter);
  return bytesOf(header);
}

// The flow's original tuple, zone and id as they came, sent back to name it.
std::string deleteRequest(const nlmsghdr& flow, IpFamily family) {
  alignas(nlmsghdr) std::array<char, 1024> buffer{};
  auto* header = start(buffer.data(), IPCTNL_MSG_CT_DELETE, family);
  forEachAttribute(flow, sizeof(nfgenmsg), [&](const nlattr& attribute) {
    const uint16_t type = mnl_attr_get_type(&attribute);
    if (type != CTA_TUPLE_ORIG && type != CTA_ZONE && type != CTA_ID) return;
    mnl_attr_put_check(header, buffer.size(), attribute.nla_type, mnl_attr_get_payload_len(&attribute),
                       mnl_attr_get_payload(&attribute));
  });
  return bytesOf(header);
}

}  // namespace

Result<size_t> forgetUdpFlows(IpFamily family, uint16_t port, const std::optional<IpAddress>& address,
                              Stop& stop, int netns) {
  auto socket = TRY_CTX(NetlinkSocket::open(NETLINK_NETFILTER, netns), "open conntrack");
  std::vector<std::string> deletes;
  const auto collect = [&](const nlmsghdr& flow) -> Result<void> {
    if (deletes.size() < kMaxFlows) deletes.push_back(deleteRequest(flow, family));
    return {};
  };
  TRY(socket.dump(listRequest(family, port, address), fmt::format("list UDP flows to port {}", port), collect,
                  stop));
  for (const auto& request : deletes) {
    auto done = socket.ask(
        request, "forget a UDP flow", [](const nlmsghdr&) -> Result<void> { return {}; }, stop);
    if (!done && done.error().code != Code::kNotFound)
      return std::move(done).error();  // it may time out meanwhile
  }
  return deletes.size();
}

}  // namespace keelson::kernel
