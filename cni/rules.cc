#include "cni/rules.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace keelson::cni {
namespace {

using namespace kernel::nft;

constexpr uint32_t kMasqueradeBit = 0x4000;

// What differs between the two families.
struct FamilyTerms {
  Payload source, destination;
  Datatype address;
  const char* loopback;
  const char* multicast;
};
constexpr FamilyTerms kV4Terms{Payload::kIpSaddr, Payload::kIpDaddr, Datatype::kIpv4Addr, "127.0.0.0/8",
                               "224.0.0.0/4"};
constexpr FamilyTerms kV6Terms{Payload::kIp6Saddr, Payload::kIp6Daddr, Datatype::kIpv6Addr, "::1/128",
                               "ff00::/8"};

IpPrefix constant(const char* prefix) { return IpPrefix::parse(prefix).value(); }

Rule localToHostPorts() { return {{LocalMatch{Fib::kDaddrType, Compare::kEqual}, jump("hostports")}}; }

std::vector<Rule> hostPortRules(const NetworkPlan& plan, IpFamily family, const FamilyTerms& terms) {
  std::vector<Rule> rules;
  const auto mark = [&](const IpPrefix& source) {
    rules.push_back({{AddressMatch{terms.source, source, Compare::kEqual},
                      MarkSet{MarkSet::Operation::kOr, kMasqueradeBit}}});
  };
  for (const auto& range : plan.ranges)
    if (range.prefix.network.family == family) mark(range.prefix);
  mark(constant(terms.loopback));
  rules.push_back(
      {{NatLookup{NatKind::kDnat, {terms.destination, Meta::kL4proto, Payload::kThDport}, kOneHostMap}}});
  rules.push_back({{NatLookup{NatKind::kDnat, {Meta::kL4proto, Payload::kThDport}, kAnyHostMap}}});
  // No host port after all (dnat ends the chain): the packet is the host's own, unmarked.
  rules.push_back({{MarkSet{MarkSet::Operation::kAnd, ~kMasqueradeBit}}});
  return rules;
}

std::vector<Rule> postroutingRules(const NetworkPlan& plan, IpFamily family, const FamilyTerms& terms) {
  std::vector<Rule> rules;
  rules.push_back({{MarkMatch{kMasqueradeBit, 0, Compare::kNotEqual},
                    MarkSet{MarkSet::Operation::kXor, kMasqueradeBit}, Masquerade{true}}});
  const auto spare = [&](const IpPrefix& prefix) {
    rules.push_back({{AddressMatch{terms.destination, prefix, Compare::kEqual}, ret()}});
  };
  for (const auto& prefix : plan.cluster_cidrs)
    if (prefix.network.family == family) spare(prefix);
  spare(constant(terms.multicast));
  for (const auto& range : plan.ranges)
    if (range.prefix.network.family == family)
      rules.push_back({{AddressMatch{terms.source, range.prefix, Compare::kEqual}, Masquerade{true}}});
  return rules;
}

void addElements(const PodRecord& pod, IpFamily family, TableContent& content) {
  const auto target = std::find_if(pod.addresses.begin(), pod.addresses.end(),
                                   [&](const IpAddress& address) { return address.family == family; });
  if (target == pod.addresses.end()) return;
  for (const auto& port : pod.ports) {
    const auto protocol = protocolNumber(port.protocol);
    if (!protocol) continue;
    auto data = Packed().address(*target).port(port.container_port).take();
    if (isAnyHost(port.host_ip)) {
      const bool other_family = !port.host_ip.empty() && (port.host_ip == "::") != (family == IpFamily::kV6);
      if (other_family) continue;
      content.elements[kAnyHostMap].push_back(
          {Packed().protocol(*protocol).port(port.host_port).take(), std::move(data), {}});
      continue;
    }
    const auto host = IpAddress::parse(port.host_ip);
    if (!host || host->family != family) continue;
    content.elements[kOneHostMap].push_back(
        {Packed().address(*host).protocol(*protocol).port(port.host_port).take(), std::move(data), {}});
  }
}

// Reads what Packed wrote.
class Unpacked {
 public:
  explicit Unpacked(const std::string& bytes) : bytes_(bytes) {}
  IpAddress address(IpFamily family) {
    IpAddress out{family, {}};
    take(out.bytes.data(), out.size());
    return out;
  }
  uint8_t protocol() {
    uint8_t out[4] = {};
    take(out, sizeof out);
    return out[0];
  }
  uint16_t port() {
    uint16_t out[2] = {};
    take(out, sizeof out);
    return ntohs(out[0]);
  }

 private:
  void take(void* out, size_t size) {
    if (at_ + size <= bytes_.size()) std::memcpy(out, bytes_.data() + at_, size);
    at_ += size;
  }
  const std::string& bytes_;
  size_t at_ = 0;
};

std::string protocolName(uint8_t number) {
  for (const char* name : {"TCP", "UDP", "SCTP"})
    if (protocolNumber(name) == number) return name;
  return "";
}

bool pointsTo(const Element& element, const IpAddress& address) {
  return element.data.size() == address.size() + 4 &&
         std::memcmp(element.data.data(), address.bytes.data(), address.size()) == 0;
}

}  // namespace

Family nftFamily(IpFamily family) { return family == IpFamily::kV4 ? Family::kIp : Family::kIp6; }

TableContent buildTable(const NetworkPlan& plan, IpFamily family, const Records& records) {
  const FamilyTerms& terms = family == IpFamily::kV4 ? kV4Terms : kV6Terms;
  const Fields endpoint = fields({terms.address, Datatype::kInetService});
  TableContent content;
  content.table = {nftFamily(family), plan.table};
  content.sets = {
      {kAnyHostMap, SetKind::kMap, fields({Datatype::kInetProto, Datatype::kInetService}), endpoint, 0},
      {kOneHostMap, SetKind::kMap, fields({terms.address, Datatype::kInetProto, Datatype::kInetService}),
       endpoint, 0}};
  content.chains = {
      {{"hostports", {}}, hostPortRules(plan, family, terms)},
      {{"prerouting", BaseChain{ChainType::kNat, Hook::kPrerouting, kPriorityDstnat, false}},
       {localToHostPorts()}},
      {{"output", BaseChain{ChainType::kNat, Hook::kOutput, kPriorityDstnat, false}}, {localToHostPorts()}},
      {{"postrouting", BaseChain{ChainType::kNat, Hook::kPostrouting, kPrioritySrcnat, false}},
       postroutingRules(plan, family, terms)},
      // route_localnet on the bridge, which host ports on 127.0.0.1 need, would let pods reach what
      // listens on the host's loopback (CVE-2020-8558). Answers to translated flows carry the gateway's
      // address here, before conntrack, so nothing honest is dropped.
      {{"loopback-guard", BaseChain{ChainType::kFilter, Hook::kPrerouting, kPriorityRaw, false}},
       {{{InterfaceMatch{Meta::kIifname, plan.bridge, Compare::kEqual},
          AddressMatch{terms.destination, constant(terms.loopback), Compare::kEqual}, drop()}}}},
  };
  for (const auto& [uid, pod] : records.pods) addElements(pod, family, content);
  return content;
}

std::vector<PortMapping> portsOf(const std::vector<Element>& any_host, const std::vector<Element>& one_host,
                                 const std::vector<IpAddress>& addresses) {
  std::vector<PortMapping> ports;
  for (const auto& address : addresses) {
    const auto targetPort = [&](const Element& element) {
      Unpacked data(element.data);
      data.address(address.family);
      return data.port();
    };
    for (const auto& element : any_host) {
      if (!pointsTo(element, address)) continue;
      Unpacked key(element.key);
      const auto protocol = protocolName(key.protocol());
      ports.push_back({protocol, key.port(), targetPort(element), ""});
    }
    for (const auto& element : one_host) {
      if (!pointsTo(element, address)) continue;
      Unpacked key(element.key);
      const auto host = key.address(address.family).str();
      const auto protocol = protocolName(key.protocol());
      ports.push_back({protocol, key.port(), targetPort(element), host});
    }
  }
  return ports;
}

}  // namespace keelson::cni
