#include "proxy/nft_rules.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>
#include <tuple>

#include "base/sha256.h"

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
  NftSet verdicts;     // door -> chain
  NftSet endpoints;    // door . index -> endpoint
  const char* prefix;  // of its chains' names
  bool by_address;     // the door's address is part of the keys
};
constexpr Group kServices{NftSet::kServices, NftSet::kEndpoints, "", true};
constexpr Group kOutside{NftSet::kOutside, NftSet::kOutsideEndpoints, "out-", true};
constexpr Group kNodePorts{NftSet::kNodePorts, NftSet::kNodePortEndpoints, "np-", false};
constexpr Group kNodePortsOutside{NftSet::kNodePortsOutside, NftSet::kNodePortOutsideEndpoints, "np-out-",
                                  false};
constexpr const Group* kGroups[] = {&kServices, &kOutside, &kNodePorts, &kNodePortsOutside};

// What a key of each set is made of, beside the index of endpoints.
enum class Shape : uint8_t { kAddress, kPair, kDoor, kPort };
struct Described {
  const char* name;
  SetKind kind;
  Shape shape;
};
constexpr std::array<Described, kNftSets> kSets{{{"svc", SetKind::kVerdictMap, Shape::kDoor},
                                                 {"eps", SetKind::kMap, Shape::kDoor},
                                                 {"svc-out", SetKind::kVerdictMap, Shape::kDoor},
                                                 {"eps-out", SetKind::kMap, Shape::kDoor},
                                                 {"np", SetKind::kVerdictMap, Shape::kPort},
                                                 {"np-eps", SetKind::kMap, Shape::kPort},
                                                 {"np-out", SetKind::kVerdictMap, Shape::kPort},
                                                 {"np-eps-out", SetKind::kMap, Shape::kPort},
                                                 {"cluster-ips", SetKind::kSet, Shape::kAddress},
                                                 {"hairpin", SetKind::kSet, Shape::kPair},
                                                 {"external", SetKind::kSet, Shape::kDoor},
                                                 {"no-endpoints", SetKind::kSet, Shape::kDoor},
                                                 {"np-no-endpoints", SetKind::kSet, Shape::kPort},
                                                 {"node-ips", SetKind::kSet, Shape::kAddress},
                                                 {"sources", SetKind::kVerdictMap, Shape::kDoor}}};
const Described& described(NftSet set) { return kSets[static_cast<size_t>(set)]; }
std::string nameOf(NftSet set) { return described(set).name; }

constexpr uint32_t kAffineClients = 65535;  // remembered by each endpoint; a client more is drawn each time
constexpr size_t kMaxName = 100;

const Terms& termsOf(IpFamily family) { return family == IpFamily::kV4 ? kV4Terms : kV6Terms; }

// A name for what is a service's own: people read the words, the hash tells them apart where they are cut.
// Colons are not for nft's names.
std::string ownName(std::string_view kind, std::string words) {
  std::replace(words.begin(), words.end(), ':', '.');
  return fmt::format("{}-{}-{}", kind, sha256Hex(words).substr(0, 8), words).substr(0, kMaxName);
}

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

std::string chainName(const Group& group, bool by_source, uint32_t count) {
  return fmt::format("{}{}{}", group.prefix, by_source ? "u" : "n", count);
}

// What is there whatever the doors are.
class FrameBuilder {
 public:
  FrameBuilder(IpFamily family, const NftSettings& settings)
      : family_(family), terms_(termsOf(family)), settings_(settings) {}

  TableContent build(uint32_t chains) {
    content_.table = nftTable(family_, settings_);
    for (size_t i = 0; i < kNftSets; ++i) content_.sets.push_back(nftSet(static_cast<NftSet>(i), family_));
    for (const Group* group : kGroups)
      for (uint32_t count = 1; count <= chains; ++count) addEndpointChains(*group, count);
    addRules();
    for (const auto& address : settings_.node_port_addresses)
      if (address.family == family_)
        content_.elements[nameOf(NftSet::kNodeIps)].push_back({Packed().address(address).take(), {}, {}});
    return std::move(content_);
  }

 private:
  void addEndpointChains(const Group& group, uint32_t count) {
    for (const bool by_source : {false, true}) {
      Key key = doorKey(terms_, group.by_address);
      if (by_source)
        key.push_back(Jhash{{terms_.source, Payload::kThSport}, count});
      else
        key.push_back(Numgen{count});
      chain(chainName(group, by_source, count), {},
            {{{NatLookup{NatKind::kDnat, std::move(key), nameOf(group.endpoints)}}}});
    }
  }

  Rule lookup(const Group& group) const {
    return {{VerdictLookup{doorKey(terms_, group.by_address), nameOf(group.verdicts)}}};
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
    chain("mark-outside", {},
          settings_.masquerade_all ? std::vector<Rule>{{{mark}}} : fromOutside({{{mark}}}));
    chain("outside", {}, fromOutside({lookup(kOutside)}));
    chain("outside-np", {}, fromOutside({lookup(kNodePortsOutside)}));
    chain("node-ports", {}, {{{jump("outside-np")}}, {{mark}}, lookup(kNodePorts), {{unmark}}});
    Rule to_node{
        {LocalMatch{Fib::kDaddrType, Compare::kEqual},
         AddressMatch{terms_.destination, IpPrefix::parse(terms_.loopback).value(), Compare::kNotEqual}}};
    if (!settings_.node_port_addresses.empty())
      to_node = {{SetMatch{{terms_.destination}, nameOf(NftSet::kNodeIps), Compare::kEqual}}};
    to_node.statements.push_back(jump("node-ports"));
    const std::vector<Rule> services{
        {{VerdictLookup{door, nameOf(NftSet::kSources)}}},
        {{SetMatch{{terms_.destination}, nameOf(NftSet::kClusterIps), Compare::kEqual},
          jump("mark-outside")}},
        {{SetMatch{door, nameOf(NftSet::kExternal), Compare::kEqual}, mark}},
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
             SetMatch{{terms_.source, terms_.destination}, nameOf(NftSet::kHairpin), Compare::kEqual},
             Masquerade{true}}}});
    addRestRules();
  }

  // Packets that still knock at a door after the translation: nobody took them.
  void addRestRules() {
    chain("refuse", {}, {{{Reject{Reject::With::kTcpReset}}}, {{Reject{Reject::With::kPortUnreachable}}}});
    chain("rest", {},
          {{{SetMatch{doorKey(terms_, true), nameOf(NftSet::kEmpty), Compare::kEqual}, goTo("refuse")}},
           {{SetMatch{{terms_.destination}, nameOf(NftSet::kClusterIps), Compare::kEqual}, goTo("refuse")}},
           {{LocalMatch{Fib::kDaddrType, Compare::kEqual},
             SetMatch{doorKey(terms_, false), nameOf(NftSet::kEmptyNodePorts), Compare::kEqual},
             goTo("refuse")}}});
  }

  const IpFamily family_;
  const Terms& terms_;
  const NftSettings& settings_;
  TableContent content_;
};

// What one door adds.
class DoorBuilder {
 public:
  DoorBuilder(const DoorKey& key, const Door& door) : key_(key), door_(door), terms_(termsOf(key.family)) {}

  NftParts build() {
    const bool node_port = !key_.address;
    if (door_.cluster_ip) element(NftSet::kClusterIps, Packed().address(*key_.address).take());
    const Group& inner = node_port ? kNodePorts : kServices;
    const Group& outer = node_port ? kNodePortsOutside : kOutside;
    addEndpoints(inner, door_.everyone, door_.cluster_ip ? "in" : "all");
    if (door_.everyone_withheld) element(inner.verdicts, packed().take(), "", drop());
    if (door_.local_only) {
      addEndpoints(outer, door_.outside, "out");
      // Not to the endpoints of everyone: dropped, or left to be rejected.
      if (door_.outside.empty())
        element(outer.verdicts, packed().take(), "", door_.outside_withheld ? drop() : accept());
    } else if (!node_port && !door_.cluster_ip) {
      element(NftSet::kExternal, packed().take());
    }
    if (door_.everyone.empty() && !door_.everyone_withheld)
      element(node_port ? NftSet::kEmptyNodePorts : NftSet::kEmpty, packed().take());
    if (!door_.source_ranges.empty()) addSources();
    const auto order = [](const NftElement& a, const NftElement& b) {
      return std::tie(a.first, a.second.key) < std::tie(b.first, b.second.key);
    };
    const auto same = [](const NftElement& a, const NftElement& b) {
      return a.first == b.first && a.second.key == b.second.key;
    };
    auto& all = parts_.elements;
    std::sort(all.begin(), all.end(), order);
    all.erase(std::unique(all.begin(), all.end(), same), all.end());  // two ports of one pod
    return std::move(parts_);
  }

 private:
  Packed packed() const { return packDoor(key_); }

  void element(NftSet set, std::string key, std::string data = "", std::optional<Verdict> verdict = {}) {
    parts_.elements.push_back({set, {std::move(key), std::move(data), std::move(verdict)}});
  }

  // A load balancer's address is for some sources only; the others are dropped, as the load balancer would.
  void addSources() {
    const std::string name =
        ownName("from", fmt::format("{}/{}/{}", key_.address->str(), key_.protocol, key_.port));
    std::vector<Rule> rules;
    for (const auto& range : door_.source_ranges) {
      if (range.length == 0) return;  // everyone
      rules.push_back({{AddressMatch{terms_.source, range, Compare::kEqual}, ret()}});
    }
    rules.push_back({{drop()}});
    parts_.chains.push_back({{name, {}}, std::move(rules)});
    element(NftSet::kSources, packed().take(), "", jump(name));
  }

  void addEndpoints(const Group& group, const std::vector<Backend>& backends, std::string_view who) {
    if (backends.empty()) return;
    for (const auto& backend : backends)
      if (backend.local)
        element(NftSet::kHairpin, Packed().address(backend.address).address(backend.address).take());
    if (door_.affinity) return addSticky(group, backends, who);
    const bool by_source = key_.protocol == IPPROTO_UDP;
    const auto count = static_cast<uint32_t>(std::min<size_t>(backends.size(), kIndexes));
    element(group.verdicts, packed().take(), "", goTo(chainName(group, by_source, count)));
    for (uint32_t i = 0; i < count; ++i)
      element(group.endpoints, packed().number(i).take(),
              Packed().address(backends[i].address).port(backends[i].port).take());
  }

  // The doors of a service share their endpoints' chains: a client is led to the same one through each.
  void addSticky(const Group& group, std::vector<Backend> backends, std::string_view who) {
    std::sort(backends.begin(), backends.end());
    const std::string service = fmt::format("{}/{}", door_.service, key_.protocol);
    const std::string choice = ownName("sticky", fmt::format("{}/{}", service, who));
    std::vector<Rule> met, draw;
    auto left = static_cast<uint32_t>(backends.size());
    for (const auto& backend : backends) {
      const std::string name = ownName(
          "seen", fmt::format("{}/{}/{}/{}", service, backend.address.str(), backend.port,
                              std::chrono::duration_cast<std::chrono::seconds>(*door_.affinity).count()));
      addSeen(name, backend);
      met.push_back({{SetMatch{{terms_.source}, name, Compare::kEqual}, goTo(name)}});
      Rule pick;
      if (left > 1) pick.statements.push_back(NumgenMatch{left, 0});
      pick.statements.push_back(goTo(name));
      draw.push_back(std::move(pick));
      --left;
    }
    for (auto& rule : draw) met.push_back(std::move(rule));
    parts_.chains.push_back({{choice, {}}, std::move(met)});
    element(group.verdicts, packed().take(), "", goTo(choice));
  }

  void addSeen(const std::string& name, const Backend& backend) {
    for (const auto& set : parts_.sets)
      if (set.name == name) return;
    parts_.sets.push_back({name,
                           SetKind::kSet,
                           fields({terms_.address}),
                           {},
                           kAffineClients,
                           std::chrono::duration_cast<std::chrono::seconds>(*door_.affinity)});
    parts_.chains.push_back({{name, {}},
                             {{{SetUpdate{{terms_.source}, name}}},
                              {{ProtocolMatch{key_.protocol, Compare::kEqual},
                                NatTo{NatKind::kDnat, backend.address, backend.port}}}}});
  }

  const DoorKey& key_;
  const Door& door_;
  const Terms& terms_;
  NftParts parts_;
};

}  // namespace

Table nftTable(IpFamily family, const NftSettings& settings) {
  return {termsOf(family).family, settings.table};
}

Set nftSet(NftSet set, IpFamily family) {
  const Terms& terms = termsOf(family);
  const Described& what = described(set);
  const bool by_address = what.shape == Shape::kDoor;
  if (what.kind == SetKind::kMap) {
    Key indexed = doorKey(terms, by_address);
    indexed.push_back(Numgen{kIndexes});
    // The data needs an origin too, or nft cannot list the map.
    return {what.name, what.kind, fieldsOf(indexed), fieldsOf({terms.destination, Payload::kThDport}), 0, {}};
  }
  std::vector<Datatype> types;
  if (what.shape == Shape::kAddress) types = {terms.address};
  if (what.shape == Shape::kPair) types = {terms.address, terms.address};
  if (types.empty()) types = doorTypes(terms, by_address);
  return {what.name, what.kind, fields(std::move(types)), {}, 0, {}};
}

std::string_view doorPart(NftSet set, IpFamily family, std::string_view key) {
  constexpr size_t kPortBytes = 8;  // protocol and port, padded
  const Shape shape = described(set).shape;
  if (set == NftSet::kNodeIps) return key;
  if (isShared(set)) return {};
  return key.substr(0, kPortBytes + (shape == Shape::kDoor ? IpAddress{family, {}}.size() : 0));
}

TableContent buildNftFrame(IpFamily family, const NftSettings& settings, uint32_t chains) {
  return FrameBuilder(family, settings).build(chains);
}

NftParts buildNftDoor(const DoorKey& key, const Door& door) { return DoorBuilder(key, door).build(); }

NftOrder readOrder(const std::vector<NftElement>& elements, IpFamily family) {
  NftOrder order;
  const size_t size = IpAddress{family, {}}.size();
  for (const auto& [set, element] : elements) {
    if (described(set).kind != SetKind::kMap || element.key.size() < 4 || element.data.size() < size + 2)
      continue;
    const bool outer = set == NftSet::kOutsideEndpoints || set == NftSet::kNodePortOutsideEndpoints;
    auto& list = outer ? order.outside : order.everyone;
    uint32_t index = 0;
    std::memcpy(&index, element.key.data() + element.key.size() - sizeof index, sizeof index);
    if (index >= kIndexes) continue;
    if (list.size() <= index) list.resize(index + 1);
    list[index].address.family = family;
    std::memcpy(list[index].address.bytes.data(), element.data.data(), size);
    uint16_t port = 0;
    std::memcpy(&port, element.data.data() + size, sizeof port);
    list[index].port = ntohs(port);
  }
  return order;
}

std::vector<Backend> arrange(const std::vector<Backend>& before, const std::vector<Backend>& wanted) {
  using Place = std::pair<IpAddress, uint16_t>;
  std::map<Place, const Backend*> left;
  for (const auto& backend : wanted) left[{backend.address, backend.port}] = &backend;
  std::vector<const Backend*> places;
  for (const auto& backend : before) {
    const auto stays = left.find({backend.address, backend.port});
    places.push_back(stays == left.end() ? nullptr : stays->second);
    if (stays != left.end()) left.erase(stays);
  }
  auto fresh = left.begin();
  for (auto& place : places)
    if (!place && fresh != left.end()) place = (fresh++)->second;
  for (; fresh != left.end(); ++fresh) places.push_back(fresh->second);
  for (size_t i = 0; i < places.size(); ++i) {
    while (!places.empty() && !places.back()) places.pop_back();
    if (i < places.size() && !places[i]) {
      places[i] = places.back();
      places.pop_back();
    }
  }
  std::vector<Backend> arranged;
  for (const Backend* backend : places) arranged.push_back(*backend);
  return arranged;
}

uint32_t chainsFor(const Door& door, uint32_t least) {
  const size_t most = std::max<size_t>({least, door.everyone.size(), door.outside.size()});
  return static_cast<uint32_t>(std::bit_ceil(std::min<size_t>(most, kIndexes)));
}

uint32_t chainsFor(const Doors& doors, const NftSettings& settings) {
  uint32_t chains = std::bit_ceil(settings.chains);
  for (const auto& [key, door] : doors) chains = chainsFor(*door, chains);
  return chains;
}

TableContent buildNftTable(const Doors& doors, IpFamily family, const NftSettings& settings) {
  TableContent content = buildNftFrame(family, settings, chainsFor(doors, settings));
  std::set<std::string> own;
  std::set<std::pair<NftSet, std::string>> shared;
  for (const auto& [key, door] : doors) {
    if (key.family != family) continue;
    auto parts = buildNftDoor(key, *door);
    for (auto& set : parts.sets)
      if (own.insert("set " + set.name).second) content.sets.push_back(std::move(set));
    for (auto& chain : parts.chains)
      if (own.insert(chain.first.name).second) content.chains.push_back(std::move(chain));
    for (auto& [set, element] : parts.elements)
      if (!isShared(set) || shared.insert({set, element.key}).second)
        content.elements[nameOf(set)].push_back(std::move(element));
  }
  return content;
}

}  // namespace keelson::proxy
