// The nftables table of the proxy, one family, built from doors. All pure.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "kernel/nft_table.h"
#include "proxy/doors.h"

namespace keelson::proxy {

struct NftSettings {
  std::string table = "keelson-proxy";
  std::vector<IpPrefix> cluster_cidrs;         // sources in them reach cluster IPs under their own address
  std::vector<IpAddress> node_port_addresses;  // where node ports answer; empty: all local addresses
  bool masquerade_all = false;                 // whoever asks a cluster IP
  uint32_t masquerade_bit = 0x4000;
  // Chains for this many endpoints a service are made ahead; grows by powers of two.
  uint32_t chains = 16;
  // Elements of one commit, about: a node's services are programmed in pieces of whole doors.
  size_t piece = 20'000;
};

// Chains are few and shared; what grows is map elements only, so that a change of endpoints costs its own
// size:
//
//   svc       ip daddr . proto . dport             -> goto n<k> | u<k>     doors with an address
//   eps       ip daddr . proto . dport . index     -> address . port       their endpoints, index < k
//   svc-out, eps-out                               the same for outside clients, where policy Local says
//   otherwise np, np-eps, np-out, np-eps-out                 the same for node ports, without the address
//   n<k>      dnat to (packet . numgen random mod k) map @eps
//   u<k>      dnat to (packet . jhash saddr . sport mod k) map @eps       UDP: one client socket, one
//   endpoint
//
//   prerouting|output -100 (nat)     sources refused? outside? svc-out; svc; to this node? np-out; mark, np
//   prerouting|output  -90 (filter)  what no endpoint took: the rest of a cluster IP and doors without
//   endpoints -> reject postrouting        100 (nat)     marked, or a pod that met itself (hairpin) ->
//   masquerade
//
// A door whose policy leaves no endpoint has the verdict drop in its map.
//
// A door with session affinity has chains of its own, one for the choice and one with a set for each
// endpoint:
//
//   sticky-..   ip saddr @seen-.. goto seen-..     the endpoint that this client met before, each in turn
//               numgen random mod k 0 goto seen-.., then mod k-1, ...     else a plain draw
//   seen-..     update @seen-.. { ip saddr }       its own rule: a full set ends it
//               meta l4proto .. dnat to ..
//
// Only expressions that Debian's nft 1.0.6 lists and loads.
kernel::nft::TableContent buildNftTable(const Doors& doors, IpFamily family, const NftSettings& settings);

// ---- the same in parts, for changes that cost their own size ----

// The sets that every table has.
enum class NftSet : uint8_t {
  kServices,
  kEndpoints,
  kOutside,
  kOutsideEndpoints,
  kNodePorts,
  kNodePortEndpoints,
  kNodePortsOutside,
  kNodePortOutsideEndpoints,
  kClusterIps,
  kHairpin,
  kExternal,
  kEmpty,
  kEmptyNodePorts,
  kNodeIps,
  kSources
};
inline constexpr size_t kNftSets = static_cast<size_t>(NftSet::kSources) + 1;
kernel::nft::Table nftTable(IpFamily family, const NftSettings& settings);
kernel::nft::Set nftSet(NftSet set, IpFamily family);
// Several doors may have the same element in it.
constexpr bool isShared(NftSet set) { return set == NftSet::kClusterIps || set == NftSet::kHairpin; }
// The leading bytes of an element's key that say whose door it is (of a node address: all); "" for shared
// sets.
std::string_view doorPart(NftSet set, IpFamily family, std::string_view key);

using NftElement = std::pair<NftSet, kernel::nft::Element>;
using NftChain = std::pair<kernel::nft::Chain, std::vector<kernel::nft::Rule>>;

// What is there whatever the doors are, with chains for services of up to `chains` endpoints.
kernel::nft::TableContent buildNftFrame(IpFamily family, const NftSettings& settings, uint32_t chains);

// What one door adds. Its endpoints get their indexes in the order that the door has them.
struct NftParts {
  std::vector<NftElement> elements;    // sorted by set and key
  std::vector<kernel::nft::Set> sets;  // doors of one service may share sets and chains
  std::vector<NftChain> chains;
};
NftParts buildNftDoor(const DoorKey& key, const Door& door);

// The endpoints that the elements of one door lead to, by index, without knowing which are local.
struct NftOrder {
  std::vector<Backend> everyone, outside;
};
NftOrder readOrder(const std::vector<NftElement>& elements, IpFamily family);

// `wanted` in the order that changes least of `before`: who stays keeps the index, who comes takes the place
// of one who went, and the last move into the holes that are left.
std::vector<Backend> arrange(const std::vector<Backend>& before, const std::vector<Backend>& wanted);

// How many chains these doors need: a power of two, at least `settings.chains`.
uint32_t chainsFor(const Door& door, uint32_t least);
uint32_t chainsFor(const Doors& doors, const NftSettings& settings);

}  // namespace keelson::proxy
