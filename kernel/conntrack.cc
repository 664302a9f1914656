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

std::string listRequest(const UdpFlowFilter& wanted) {
  alignas(nlmsghdr) std::array<char, 512> buffer{};
  auto* header = start(buffer.data(), IPCTNL_MSG_CT_GET, wanted.family);
  uint32_t flags = kFilterProtocol;
  if (wanted.port) flags |= kFilterDestinationPort;
  if (wanted.destination) flags |= kFilterDestination;
  auto* tuple = mnl_attr_nest_start(header, CTA_TUPLE_ORIG);
  auto* ip = mnl_attr_nest_start(header, CTA_TUPLE_IP);
  const IpAddress any{wanted.family, {}};
  const IpAddress& destination = wanted.destination ? *wanted.destination : any;
  // The kernel wants both addresses present, even those that the flags leave out.
  const bool v4 = wanted.family == IpFamily::kV4;
  mnl_attr_put(header, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, any.size(), any.bytes.data());
  mnl_attr_put(header, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, destination.size(), destination.bytes.data());
  mnl_attr_nest_end(header, ip);
  auto* protocol = mnl_attr_nest_start(header, CTA_TUPLE_PROTO);
  mnl_attr_put_u8(header, CTA_PROTO_NUM, kUdpProtocol);
  mnl_attr_put_u16(header, CTA_PROTO_SRC_PORT, 0);
  mnl_attr_put_u16(header, CTA_PROTO_DST_PORT, htons(wanted.port.value_or(0)));
  mnl_attr_nest_end(header, protocol);
  mnl_attr_nest_end(header, tuple);
  auto* filter = mnl_attr_nest_start(header, CTA_FILTER);
  mnl_attr_put_u32(header, CTA_FILTER_ORIG_FLAGS, flags);
  mnl_attr_nest_end(header, filter);
  return bytesOf(header);
}

// One direction's far end: the destination of the original one, the source of the reply.
void readTuple(const nlattr& tuple, IpFamily family, bool source, IpAddress& address, uint16_t& port) {
  const bool v4 = family == IpFamily::kV4;
  const int wanted_address =
      source ? (v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC) : (v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST);
  const int wanted_port = source ? CTA_PROTO_SRC_PORT : CTA_PROTO_DST_PORT;
  address.family = family;
  forEachNested(tuple, [&](const nlattr& part) {
    const uint16_t kind = mnl_attr_get_type(&part);
    forEachNested(part, [&](const nlattr& field) {
      const int type = mnl_attr_get_type(&field);
      const size_t size = mnl_attr_get_payload_len(&field);
      const void* data = mnl_attr_get_payload(&field);
      if (kind == CTA_TUPLE_IP && type == wanted_address && size == address.size())
        std::memcpy(address.bytes.data(), data, size);
      if (kind == CTA_TUPLE_PROTO && type == wanted_port && size == sizeof port) {
        std::memcpy(&port, data, sizeof port);
        port = ntohs(port);
      }
    });
  });
}

UdpFlow flowOf(const nlmsghdr& message, IpFamily family) {
  UdpFlow flow;
  forEachAttribute(message, sizeof(nfgenmsg), [&](const nlattr& attribute) {
    if (mnl_attr_get_type(&attribute) == CTA_TUPLE_ORIG)
      readTuple(attribute, family, false, flow.destination, flow.port);
    if (mnl_attr_get_type(&attribute) == CTA_TUPLE_REPLY)
      readTuple(attribute, family, true, flow.answering, flow.answering_port);
  });
  return flow;
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

Result<size_t> forgetUdpFlows(const UdpFlowFilter& filter, const std::function<bool(const UdpFlow&)>& stale,
                              Stop& stop, int netns) {
  auto socket = TRY_CTX(NetlinkSocket::open(NETLINK_NETFILTER, netns), "open conntrack");
  std::vector<std::string> deletes;
  const auto collect = [&](const nlmsghdr& flow) -> Result<void> {
    if (deletes.size() < kMaxFlows && stale(flowOf(flow, filter.family)))
      deletes.push_back(deleteRequest(flow, filter.family));
    return {};
  };
  const std::string what =
      filter.port ? fmt::format("list UDP flows to port {}", *filter.port) : "list UDP flows";
  TRY(socket.dump(listRequest(filter), what, collect, stop));
  for (const auto& request : deletes) {
    auto done = socket.ask(
        request, "forget a UDP flow", [](const nlmsghdr&) -> Result<void> { return {}; }, stop);
    if (!done && done.error().code != Code::kNotFound)
      return std::move(done).error();  // it may time out meanwhile
  }
  return deletes.size();
}

Result<size_t> forgetUdpFlows(IpFamily family, uint16_t port, const std::optional<IpAddress>& address,
                              Stop& stop, int netns) {
  return forgetUdpFlows(
      {family, port, address}, [](const UdpFlow&) { return true; }, stop, netns);
}

}  // namespace keelson::kernel
