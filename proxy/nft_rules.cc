#include "proxy/nft_rules.h"

#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <set>

namespace keelson::proxy {
namespace {

using namespace kernel::nft;

constexpr int kBehindDstnat = kPriorityDstnat + 10;
constexpr uint32_t kIndexes = 65536;  // of the typeof of an index: more than any service has endpoints

// What differs between the two families.
struct Terms {
  Family family;
  Payload source, destination;
  Datatype address;
  const char* loopback;
};
constexpr Terms kV4Terms{Family::kIp, Payload::kIpSaddr, Payload::kIpDaddr, Datatype::kIpv4Addr,
                         "127.0.0.0/8"};
constexpr Terms kV6Terms{Family::kIp6, Payload::kIp6Saddr, Payload::kIp6Daddr, Datatype::kIpv6Addr,
                         "::1/128"};

// One pair of maps with the chains that lead through them.
struct Group {
  const char* verdicts;   // door -> chain
  const char* endpoints;  // door . index -> endpoint
  const char* prefix;     // of its chains' names
  bool by_address;        // the door's address is part of the keys
};
constexpr Group kServices{"svc", "eps", "", true};
constexpr Group kOutside{"svc-out", "eps-out", "out-", true};
constexpr Group kNodePorts{"np", "np-eps", "np-", false};
constexpr Group kNodePortsOutside{"np-out", "np-eps-out", "np-out-", false};
constexpr const Group* kGroups[] = {&kServices, &kOutside, &kNodePorts, &kNodePortsOutside};

constexpr char kClusterIps[] = "cluster-ips", kExternal[] = "external", kEmpty[] = "no-endpoints",
               kEmptyNodePorts[] = "np-no-endpoints", kHairpin[] = "hairpin", kNodeIps[] = "node-ips",
               kSources[] = "sources";

std::vector<Datatype> doorTypes(const Terms& terms, bool by_address) {
  std::vector<Datatype> types;
  if (by_address) types.push_back(terms.address);
  types.push_back(Datatype::kInetProto);
  types.push_back(Datatype::kInetService);
  return types;
}
Key doorKey(const Terms& terms, bool by_address) {
  Key key;
  if (by_address) key.push_back(terms.destination);
  key.push_back(Meta::kL4proto);
  key.push_back(Payload::kThDport);
  return key;
}
Packed packDoor(const DoorKey& key) {
  Packed packed;
  if (key.address) packed.address(*key.address);
  packed.protocol(key.protocol).port(key.port);
  return packed;
}

class Builder {
 public:
  Builder(const Doors& doors, const Terms& terms, IpFamily family, const NftSettings& settings)
      : doors_(doors), terms_(terms), family_(family), settings_(settings) {}

  TableContent build() {
    content_.table = {terms_.family, settings_.table};
    addSets();
    const uint32_t chains = chainsFor(doors_, settings_);
    for (const Group* group : kGroups)
      for (uint32_t count = 1; count <= chains; ++count) addEndpointChains(*group, count);
    addRules();
    for (const auto& [key, door] : doors_)
      if (key.family == family_) addDoor(key, door);
    for (const auto& address : settings_.node_port_addresses)
      if (address.family == family_) element(kNodeIps, Packed().address(address).take());
    return std::move(content_);
  }

 private:
  void addSets() {
    const Fields endpoint = fields({terms_.address, Datatype::kInetService});
    for (const Group* group : kGroups) {
      content_.sets.push_back(
          {group->verdicts, SetKind::kVerdictMap, fields(doorTypes(terms_, group->by_address)), {}, 0});
      Key indexed = doorKey(terms_, group->by_address);
      indexed.push_back(Numgen{kIndexes});
      // The data needs an origin too, or nft cannot list the map.
      content_.sets.push_back({group->endpoints, SetKind::kMap, fieldsOf(indexed),
                               fieldsOf({terms_.destination, Payload::kThDport}), 0});
    }
    const auto set = [&](const char* name, std::vector<Datatype> types) {
      content_.sets.push_back({name, SetKind::kSet, fields(std::move(types)), {}, 0});
    };
    set(kClusterIps, {terms_.address});
    set(kNodeIps, {terms_.address});
    set(kHairpin, {terms_.address, terms_.address});
    for (const char* name : {kEmpty, kExternal}) set(name, doorTypes(terms_, true));
    set(kEmptyNodePorts, doorTypes(terms_, false));
    content_.sets.push_back({kSources, SetKind::kVerdictMap, fields(doorTypes(terms_, true)), {}, 0});
  }

  static std::string chainName(const Group& group, bool by_source, uint32_t count) {
    return fmt::format("{}{}{}", group.prefix, by_source ? "u" : "n", count);
  }

  void addEndpointChains(const Group& group, uint32_t count) {
    for (const bool by_source : {false, true}) {
      Key key = doorKey(terms_, group.by_address);
      if (by_source)
        key.push_back(Jhash{{terms_.source, Payload::kThSport}, count});
      else
        key.push_back(Numgen{count});
      content_.chains.push_back({{chainName(group, by_source, count), {}},
                                 {{{NatLookup{NatKind::kDnat, std::move(key), group.endpoints}}}}});
    }
  }

  Rule lookup(const Group& group) const {
    return {{VerdictLookup{doorKey(terms_, group.by_address), group.verdicts}}};
  }

  void chain(std::string name, std::optional<BaseChain> base, std::vector<Rule> rules) {
    content_.chains.push_back({{std::move(name), base}, std::move(rules)});
  }

  void addRules() {
    const MarkSet mark{MarkSet::Operation::kOr, settings_.masquerade_bit};
    const MarkSet unmark{MarkSet::Operation::kAnd, ~settings_.masquerade_bit};
    const auto fromOutside = [&](std::vector<Rule> rules) {
      std::vector<Rule> made;
      for (const auto& prefix : settings_.cluster_cidrs)
        if (prefix.network.family == family_)
          made.push_back({{AddressMatch{terms_.source, prefix, Compare::kEqual}, ret()}});
      made.push_back({{LocalMatch{Fib::kSaddrType, Compare::kEqual}, ret()}});
      for (auto& rule : rules) made.push_back(std::move(rule));
      return made;
    };
    const Key door = doorKey(terms_, true);
    // What outside clients send to a cluster IP comes back through this node only if it is masqueraded; so
    // does what anybody sends to an external address, unless its policy is Local.
    chain("mark-outside", {}, fromOutside({{{mark}}}));
    chain("outside", {}, fromOutside({lookup(kOutside)}));
    chain("outside-np", {}, fromOutside({lookup(kNodePortsOutside)}));
    chain("node-ports", {}, {{{jump("outside-np")}}, {{mark}}, lookup(kNodePorts), {{unmark}}});
    Rule to_node{
        {LocalMatch{Fib::kDaddrType, Compare::kEqual},
         AddressMatch{terms_.destination, IpPrefix::parse(terms_.loopback).value(), Compare::kNotEqual}}};
    if (!settings_.node_port_addresses.empty())
      to_node = {{SetMatch{{terms_.destination}, kNodeIps, Compare::kEqual}}};
    to_node.statements.push_back(jump("node-ports"));
    const std::vector<Rule> services{
        {{VerdictLookup{door, kSources}}},
        {{SetMatch{{terms_.destination}, kClusterIps, Compare::kEqual}, jump("mark-outside")}},
        {{SetMatch{door, kExternal, Compare::kEqual}, mark}},
        {{jump("outside")}},
        lookup(kServices),
        to_node};
    chain("services", {}, services);
    for (const auto& [name, hook] :
         {std::pair{"prerouting", Hook::kPrerouting}, std::pair{"output", Hook::kOutput}}) {
      chain(name, BaseChain{ChainType::kNat, hook, kPriorityDstnat, false}, {{{jump("services")}}});
      chain(std::string(name) + "-rest", BaseChain{ChainType::kFilter, hook, kBehindDstnat, false},
            {{{CtMatch{Ct::kState, kCtNew}, jump("rest")}}});
    }
    chain("postrouting", BaseChain{ChainType::kNat, Hook::kPostrouting, kPrioritySrcnat, false},
          {{{MarkMatch{settings_.masquerade_bit, 0, Compare::kNotEqual},
             MarkSet{MarkSet::Operation::kXor, settings_.masquerade_bit}, Masquerade{true}}},
           {{CtMatch{Ct::kStatus, kCtDnat},
             SetMatch{{terms_.source, terms_.destination}, kHairpin, Compare::kEqual}, Masquerade{true}}}});
    addRestRules();
  }

  // Packets that still knock at a door after the translation: nobody took them.
  void addRestRules() {
    chain("refuse", {}, {{{Reject{Reject::With::kTcpReset}}}, {{Reject{Reject::With::kPortUnreachable}}}});
    chain("rest", {},
          {{{SetMatch{doorKey(terms_, true), kEmpty, Compare::kEqual}, goTo("refuse")}},
           {{SetMatch{{terms_.destination}, kClusterIps, Compare::kEqual}, goTo("refuse")}},
           {{LocalMatch{Fib::kDaddrType, Compare::kEqual},
             SetMatch{doorKey(terms_, false), kEmptyNodePorts, Compare::kEqual}, goTo("refuse")}}});
  }

  void element(const std::string& set, std::string key, std::string data = "",
               std::optional<Verdict> verdict = {}) {
    content_.elements[set].push_back({std::move(key), std::move(data), std::move(verdict)});
  }

  void addDoor(const DoorKey& key, const Door& door) {
    const bool node_port = !key.address;
    const auto packed = [&] { return packDoor(key).take(); };
    if (door.cluster_ip && vips_.insert(*key.address).second)
      element(kClusterIps, Packed().address(*key.address).take());
    const Group& inner = node_port ? kNodePorts : kServices;
    const Group& outer = node_port ? kNodePortsOutside : kOutside;
    addEndpoints(inner, key, door.everyone);
    if (door.everyone_withheld) element(inner.verdicts, packed(), "", drop());
    if (door.local_only) {
      addEndpoints(outer, key, door.outside);
      // Not to the endpoints of everyone: dropped, or left to be rejected.
      if (door.outside.empty())
        element(outer.verdicts, packed(), "", door.outside_withheld ? drop() : accept());
    } else if (!node_port && !door.cluster_ip) {
      element(kExternal, packed());
    }
    if (door.everyone.empty() && !door.everyone_withheld)
      element(node_port ? kEmptyNodePorts : kEmpty, packed());
    if (!door.source_ranges.empty()) addSources(key, door);
  }

  // A load balancer's address is for some sources only; the others are dropped, as the load balancer would.
  void addSources(const DoorKey& key, const Door& door) {
    const std::string name = fmt::format("from-{}-{}-{}", key.address->str(), key.protocol, key.port);
    std::vector<Rule> rules;
    for (const auto& range : door.source_ranges) {
      if (range.length == 0) return;  // everyone
      rules.push_back({{AddressMatch{terms_.source, range, Compare::kEqual}, ret()}});
    }
    rules.push_back({{drop()}});
    chain(name, {}, std::move(rules));
    element(kSources, packDoor(key).take(), "", jump(name));
  }

  void addEndpoints(const Group& group, const DoorKey& key, const std::vector<Backend>& backends) {
    if (backends.empty()) return;
    const bool by_source = key.protocol == IPPROTO_UDP;
    const auto count = static_cast<uint32_t>(std::min<size_t>(backends.size(), kIndexes));
    element(group.verdicts, packDoor(key).take(), "", goTo(chainName(group, by_source, count)));
    for (uint32_t i = 0; i < count; ++i) {
      const Backend& backend = backends[i];
      element(group.endpoints, packDoor(key).number(i).take(),
              Packed().address(backend.address).port(backend.port).take());
      if (backend.local && hairpins_.insert(backend.address).second)
        element(kHairpin, Packed().address(backend.address).address(backend.address).take());
    }
  }

  const Doors& doors_;
  const Terms& terms_;
  const IpFamily family_;
  const NftSettings& settings_;
  TableContent content_;
  std::set<IpAddress> vips_, hairpins_;
};

}  // namespace

uint32_t chainsFor(const Doors& doors, const NftSettings& settings) {
  size_t most = settings.chains;
  for (const auto& [key, door] : doors) most = std::max({most, door.everyone.size(), door.outside.size()});
  return static_cast<uint32_t>(std::bit_ceil(std::min<size_t>(most, kIndexes)));
}

TableContent buildNftTable(const Doors& doors, IpFamily family, const NftSettings& settings) {
  return Builder(doors, family == IpFamily::kV4 ? kV4Terms : kV6Terms, family, settings).build();
}

}  // namespace keelson::proxy
