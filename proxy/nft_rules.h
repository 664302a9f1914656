// The nftables table of the proxy, one family, built from doors. All pure.
#pragma once

#include <string>
#include <vector>

#include "kernel/nft_table.h"
#include "proxy/doors.h"

namespace keelson::proxy {

struct NftSettings {
  std::string table = "keelson-proxy";
  std::vector<IpPrefix> cluster_cidrs;         // sources in them reach cluster IPs under their own address
  std::vector<IpAddress> node_port_addresses;  // where node ports answer; empty: all local addresses
  uint32_t masquerade_bit = 0x4000;
  // Chains for this many endpoints a service are made ahead; grows by powers of two.
  uint32_t chains = 16;
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
// Only expressions that Debian's nft 1.0.6 lists and loads.
kernel::nft::TableContent buildNftTable(const Doors& doors, IpFamily family, const NftSettings& settings);

// How many chains these doors need: a power of two, at least `settings.chains`.
uint32_t chainsFor(const Doors& doors, const NftSettings& settings);

}  // namespace keelson::proxy
