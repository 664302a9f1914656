// The proxy's iptables chains, one family, built from doors: those that administrators know from kube-proxy,
// names included. All pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "proxy/doors.h"

namespace keelson::proxy {

struct IptablesSettings {
  std::vector<IpPrefix> cluster_cidrs;         // sources in them reach cluster IPs under their own address
  std::vector<IpAddress> node_port_addresses;  // where node ports answer; empty: all local addresses
  bool masquerade_all = false;                 // whoever asks a cluster IP
  bool localhost_node_ports = true;            // 127.0.0.1, too (net.ipv4.conf.all.route_localnet)
  uint32_t masquerade_bit = 0x4000;
};

// By chain; each rule as in iptables-save, without "-A CHAIN ".
using IptablesChains = std::map<std::string, std::vector<std::string>>;
struct IptablesTables {
  IptablesChains filter, nat;
  bool operator==(const IptablesTables&) const = default;
};

//   nat     PREROUTING, OUTPUT -> KUBE-SERVICES     one rule a door: -d VIP -p tcp --dport 80 -j
//             KUBE-SVC-x | KUBE-SVL-x | KUBE-EXT-x | KUBE-FW-x     last: -> KUBE-NODEPORTS
//             KUBE-EXT-x   marks, or tells inside from outside for policy Local -> KUBE-SVC-x, KUBE-SVL-x
//             KUBE-FW-x    a balancer's sources -> KUBE-EXT-x
//             KUBE-SVC-x   -m statistic --mode random -j KUBE-SEP-y   (all endpoints; KUBE-SVL-x: local ones)
//             KUBE-SEP-y   hairpin -> KUBE-MARK-MASQ, -j DNAT
//           POSTROUTING -> KUBE-POSTROUTING           MASQUERADE what is marked
//   filter  KUBE-SERVICES, KUBE-EXTERNAL-SERVICES: doors without endpoints REJECT, withheld ones DROP;
//           KUBE-PROXY-FIREWALL, KUBE-FORWARD, KUBE-NODEPORTS
IptablesTables buildIptables(const Doors& doors, IpFamily family, const IptablesSettings& settings);

// A rule of a built-in chain that leads to one of ours.
struct IptablesJump {
  const char *table, *from, *to, *comment;
  bool only_new;  // -m conntrack --ctstate NEW
};
const std::vector<IptablesJump>& iptablesJumps();

// Upstream's name: base32 of sha256 of "ns/name:port" + "tcp" (+ endpoint), cut to 16.
std::string iptablesChainName(std::string_view prefix, const std::string& service,
                              const std::string& protocol, const std::string& endpoint = "");

// What iptables-restore --noflush must read so that the chains become `want`: changed chains whole, chains
// that are gone removed. "" when nothing changes. `rules` counts what it writes.
struct IptablesInput {
  std::string text;
  size_t rules = 0;
};
IptablesInput planIptables(const IptablesTables& have, const IptablesTables& want);

// What iptables-save said: our chains by table (rules in its own wording), the rules of the built-in chains.
struct IptablesListing {
  std::map<std::string, std::vector<std::string>> chains;  // names, by table
  std::map<std::string, std::vector<std::string>> rules;   // "-A CHAIN ...", by table
};
IptablesListing parseIptablesSave(std::string_view text);
// Chains whose names are a service's (KUBE-SVC-, ...): nobody else makes such.
bool isServiceChain(const std::string& chain);

// For the first sync, when nothing is known: all of `want`, jumps that the listing lacks, and removal of
// services' chains that are not wanted.
IptablesInput planIptablesAnew(const IptablesListing& listing, const IptablesTables& want);
// Everything of ours away.
IptablesInput planIptablesRemoval(const IptablesListing& listing);

inline constexpr char kIptablesCanary[] = "KUBE-PROXY-CANARY";

}  // namespace keelson::proxy
