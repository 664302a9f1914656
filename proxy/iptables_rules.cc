#include "proxy/iptables_rules.h"

#include <netinet/in.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "base/sha256.h"

namespace keelson::proxy {
namespace {

constexpr char kServices[] = "KUBE-SERVICES", kExternal[] = "KUBE-EXTERNAL-SERVICES",
               kNodePorts[] = "KUBE-NODEPORTS", kPostrouting[] = "KUBE-POSTROUTING",
               kMark[] = "KUBE-MARK-MASQ", kMarkOutside[] = "KUBE-MARK-OUTSIDE", kForward[] = "KUBE-FORWARD",
               kFirewall[] = "KUBE-PROXY-FIREWALL", kLocalGuard[] = "KUBE-FIREWALL";

const char* protocolText(uint8_t protocol) {
  return protocol == IPPROTO_UDP ? "udp" : protocol == IPPROTO_SCTP ? "sctp" : "tcp";
}

std::string hostText(const IpAddress& address) {
  return fmt::format("{}/{}", address.str(), address.size() * 8);
}

std::string endpointText(const Backend& backend) {
  return backend.address.family == IpFamily::kV6 ? fmt::format("[{}]:{}", backend.address.str(), backend.port)
                                                 : fmt::format("{}:{}", backend.address.str(), backend.port);
}

std::string comment(std::string_view text) { return fmt::format("-m comment --comment \"{}\"", text); }

// RFC 4648, upper case, without padding: only the first characters count.
std::string base32(const std::string& hex, size_t length) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string text;
  for (size_t bit = 0; text.size() < length; bit += 5) {
    unsigned value = 0;
    for (size_t i = bit; i < bit + 5; ++i) {
      const char digit = hex[i / 4];
      const auto nibble = static_cast<unsigned>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
      value = value << 1 | (nibble >> (3 - i % 4) & 1);
    }
    text += kAlphabet[value];
  }
  return text;
}

// One port of a service, with its doors.
struct Port {
  std::string name, protocol;
  std::vector<std::pair<DoorKey, DoorPtr>> doors;
};

std::vector<Port> portsOf(const Doors& doors, IpFamily family) {
  std::map<std::pair<std::string, uint8_t>, Port> ports;
  for (const auto& [key, door] : doors) {
    if (key.family != family) continue;
    Port& port = ports[{door->service, key.protocol}];
    port.name = door->service;
    if (port.name.ends_with(':')) port.name.pop_back();
    port.protocol = protocolText(key.protocol);
    port.doors.emplace_back(key, door);
  }
  std::vector<Port> made;
  for (auto& [key, port] : ports) made.push_back(std::move(port));
  return made;
}

class Builder {
 public:
  Builder(IpFamily family, const IptablesSettings& settings) : family_(family), settings_(settings) {
    for (const auto& cidr : settings.cluster_cidrs)
      if (cidr.network.family == family) cluster_.push_back(cidr.str());
  }

  IptablesTables build(const Doors& doors) {
    for (const char* chain : {kServices, kExternal, kForward, kNodePorts, kFirewall}) tables_.filter[chain];
    for (const char* chain : {kServices, kNodePorts, kPostrouting, kMark}) tables_.nat[chain];
    addFixed();
    for (const auto& port : portsOf(doors, family_)) addPort(port);
    for (const auto& [address, service] : vips_) {
      const std::string text = comment(service + " has no such port") + " -d " + hostText(address);
      filter(kServices, fmt::format("{} -p tcp -j {}", text, rejection("tcp")));
      filter(kServices, fmt::format("{} -j {}", text, rejection("")));
    }
    addNodePortJumps();
    return std::move(tables_);
  }

 private:
  void nat(const std::string& chain, std::string rule) { tables_.nat[chain].push_back(std::move(rule)); }
  void filter(const std::string& chain, std::string rule) {
    tables_.filter[chain].push_back(std::move(rule));
  }

  void addFixed() {
    const std::string bit = fmt::format("{:#x}", settings_.masquerade_bit);
    nat(kPostrouting, fmt::format("-m mark ! --mark {}/{} -j RETURN", bit, bit));
    nat(kPostrouting, fmt::format("-j MARK --xor-mark {}", bit));
    nat(kPostrouting, comment("kubernetes service traffic requiring SNAT") + " -j MASQUERADE --random-fully");
    nat(kMark, fmt::format("-j MARK --or-mark {}", bit));
    if (cluster_.size() > 1) {
      for (const auto& cidr : cluster_) nat(kMarkOutside, fmt::format("-s {} -j RETURN", cidr));
      nat(kMarkOutside, fmt::format("-j {}", kMark));
    }
    filter(kForward, "-m conntrack --ctstate INVALID -j DROP");
    filter(kForward, fmt::format("{} -m mark --mark {}/{} -j ACCEPT", comment("kubernetes forwarding rules"),
                                 bit, bit));
    filter(kForward, comment("kubernetes forwarding conntrack rule") +
                         " -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT");
    if (family_ == IpFamily::kV4 && settings_.localhost_node_ports)
      filter(kLocalGuard, comment("block incoming localnet connections") +
                              " -d 127.0.0.0/8 ! -s 127.0.0.0/8 -m conntrack ! --ctstate "
                              "RELATED,ESTABLISHED,DNAT -j DROP");
  }

  void addNodePortJumps() {
    const std::string text =
        comment("kubernetes service nodeports; NOTE: this must be the last rule in this chain");
    if (settings_.node_port_addresses.empty()) {
      const bool loopback = family_ == IpFamily::kV4 && settings_.localhost_node_ports;
      const char* except = loopback ? "" : family_ == IpFamily::kV4 ? " ! -d 127.0.0.0/8" : " ! -d ::1/128";
      nat(kServices, fmt::format("{} -m addrtype --dst-type LOCAL{} -j {}", text, except, kNodePorts));
    }
    for (const auto& address : settings_.node_port_addresses)
      if (address.family == family_)
        nat(kServices, fmt::format("{} -d {} -j {}", text, hostText(address), kNodePorts));
  }

  static std::string match(const DoorKey& key) {
    const char* protocol = protocolText(key.protocol);
    const std::string to = key.address ? fmt::format(" -d {}", hostText(*key.address)) : "";
    return fmt::format("-p {} -m {}{} --dport {}", protocol, protocol, to, key.port);
  }

  void addPort(const Port& port) {
    const Names names{iptablesChainName("KUBE-SVC-", port.name, port.protocol),
                      iptablesChainName("KUBE-SVL-", port.name, port.protocol),
                      iptablesChainName("KUBE-EXT-", port.name, port.protocol),
                      iptablesChainName("KUBE-FW-", port.name, port.protocol)};
    std::set<Backend> endpoints;
    for (const auto& [key, door] : port.doors) {
      endpoints.insert(door->everyone.begin(), door->everyone.end());
      endpoints.insert(door->outside.begin(), door->outside.end());
      if (door->cluster_ip)
        addClusterIp(port, names, key, *door);
      else
        addExternal(port, names, key, *door);
    }
    for (const auto& endpoint : endpoints) addEndpoint(port, endpoint);
  }

  struct Names {
    std::string cluster, local, external, firewall;
  };

  // A client of this node or of a pod hears of an ICMP error only at its second try, a second later.
  static std::string rejection(std::string_view protocol) {
    return protocol == "tcp" ? "REJECT --reject-with tcp-reset" : "REJECT";
  }

  void refuse(const char* chain, const Port& port, const DoorKey& key, bool withheld) {
    const std::string where = key.address ? "" : "-m addrtype --dst-type LOCAL ";
    const char* why = withheld ? " has no local endpoints" : " has no endpoints";
    filter(chain, fmt::format("{} {}{} -j {}", comment(port.name + why), where, match(key),
                              withheld ? "DROP" : rejection(port.protocol)));
  }

  void addClusterIp(const Port& port, const Names& names, const DoorKey& key, const Door& door) {
    vips_.emplace(*key.address, port.name.substr(0, port.name.find(':')));
    if (door.everyone.empty()) return refuse(kServices, port, key, door.everyone_withheld);
    const std::string& chain = door.everyone_local ? names.local : names.cluster;
    const std::string text = comment(port.name + " cluster IP");
    nat(kServices, fmt::format("{} {} -j {}", text, match(key), chain));
    std::vector<std::string> first;
    if (settings_.masquerade_all)
      first.push_back(fmt::format("{} {} -j {}", text, match(key), kMark));
    else if (cluster_.size() == 1)
      first.push_back(fmt::format("{} {} ! -s {} -j {}", text, match(key), cluster_[0], kMark));
    else if (cluster_.size() > 1)
      first.push_back(fmt::format("{} {} -j {}", text, match(key), kMarkOutside));
    addChoice(port, door, chain, door.everyone);
    auto& rules = tables_.nat[chain];
    rules.insert(rules.begin(), first.begin(), first.end());
  }

  void addExternal(const Port& port, const Names& names, const DoorKey& key, const Door& door) {
    const bool any = !door.everyone.empty();
    const bool answered = door.local_only ? !door.outside.empty() : any;
    const bool open = std::any_of(door.source_ranges.begin(), door.source_ranges.end(),
                                  [](const IpPrefix& range) { return range.length == 0; });
    const bool guarded = any && !door.source_ranges.empty() && !open;
    if (any) {
      const std::string& chain = guarded ? names.firewall : names.external;
      if (key.address)
        nat(kServices, fmt::format("{} {} -j {}",
                                   comment(port.name + (door.balancer ? " loadbalancer IP" : " external IP")),
                                   match(key), chain));
      else
        nat(kNodePorts, fmt::format("{} {} -j {}", comment(port.name), match(key), chain));
      addExternalChain(port, names, door);
    }
    if (guarded) addFirewall(port, names, key, door);
    if (!answered) refuse(kExternal, port, key, any);
  }

  void addExternalChain(const Port& port, const Names& names, const Door& door) {
    addChoice(port, door, names.cluster, door.everyone);
    if (door.local_only && !door.outside.empty()) addChoice(port, door, names.local, door.outside);
    if (!tables_.nat[names.external].empty()) return;
    const std::string what = " for " + port.name + " external destinations";
    if (!door.local_only) {
      nat(names.external, fmt::format("{} -j {}", comment("masquerade traffic" + what), kMark));
      nat(names.external, fmt::format("-j {}", names.cluster));
      return;
    }
    for (const auto& cidr : cluster_)
      nat(names.external, fmt::format("-s {} {} -j {}", cidr, comment("pod traffic" + what), names.cluster));
    nat(names.external, fmt::format("{} -m addrtype --src-type LOCAL -j {}",
                                    comment("masquerade LOCAL traffic" + what), kMark));
    nat(names.external, fmt::format("{} -m addrtype --src-type LOCAL -j {}",
                                    comment("route LOCAL traffic" + what), names.cluster));
    if (!door.outside.empty()) nat(names.external, fmt::format("-j {}", names.local));
  }

  void addFirewall(const Port& port, const Names& names, const DoorKey& key, const Door& door) {
    filter(kFirewall,
           fmt::format("{} {} -j DROP",
                       comment(fmt::format("{} traffic not accepted by {}", port.name, names.firewall)),
                       match(key)));
    auto& rules = tables_.nat[names.firewall];
    if (!rules.empty()) rules.pop_back();  // the last word is said again below
    for (const auto& range : door.source_ranges) {
      auto rule =
          fmt::format("-s {} {} -j {}", range.str(), comment(port.name + " loadbalancer IP"), names.external);
      if (std::find(rules.begin(), rules.end(), rule) == rules.end()) rules.push_back(std::move(rule));
    }
    rules.push_back(comment("other traffic to " + port.name + " will be dropped by KUBE-PROXY-FIREWALL"));
  }

  // Once for the doors that share a chain.
  void addChoice(const Port& port, const Door& door, const std::string& chain,
                 const std::vector<Backend>& endpoints) {
    if (endpoints.empty() || !chosen_.insert(chain).second) return;
    const auto row = [&](const Backend& endpoint, const std::string& how) {
      nat(chain,
          fmt::format("{} {}-j {}", comment(fmt::format("{} -> {}", port.name, endpointText(endpoint))), how,
                      endpointChain(port, endpoint)));
    };
    if (door.affinity)
      for (const auto& endpoint : endpoints)
        row(endpoint,
            fmt::format("-m recent --name {} --rcheck --seconds {} --reap ", endpointChain(port, endpoint),
                        std::chrono::duration_cast<std::chrono::seconds>(*door.affinity).count()));
    size_t left = endpoints.size();
    for (const auto& endpoint : endpoints) {
      row(endpoint, left == 1 ? ""
                              : fmt::format("-m statistic --mode random --probability {:.10f} ",
                                            1.0 / static_cast<double>(left)));
      --left;
    }
  }

  static std::string endpointChain(const Port& port, const Backend& endpoint) {
    return iptablesChainName("KUBE-SEP-", port.name, port.protocol, endpointText(endpoint));
  }

  void addEndpoint(const Port& port, const Backend& endpoint) {
    const std::string chain = endpointChain(port, endpoint);
    if (!tables_.nat[chain].empty()) return;
    const bool affine = port.doors.front().second->affinity.has_value();
    nat(chain, fmt::format("-s {} {} -j {}", hostText(endpoint.address), comment(port.name), kMark));
    nat(chain, fmt::format("-p {} {}{} -m {} -j DNAT --to-destination {}", port.protocol, comment(port.name),
                           affine ? fmt::format(" -m recent --name {} --set", chain) : "", port.protocol,
                           endpointText(endpoint)));
  }

  const IpFamily family_;
  const IptablesSettings& settings_;
  std::vector<std::string> cluster_;
  std::map<IpAddress, std::string> vips_;  // with the service's name
  std::set<std::string> chosen_;
  IptablesTables tables_;
};

void write(IptablesInput& input, const char* table, const IptablesChains& chains,
           const std::vector<std::string>& jumps, const std::vector<std::string>& gone) {
  if (chains.empty() && gone.empty() && jumps.empty()) return;
  std::string& text = input.text;
  text += fmt::format("*{}\n", table);
  for (const auto& [chain, rules] : chains) text += fmt::format(":{} - [0:0]\n", chain);
  for (const auto& chain : gone) text += fmt::format(":{} - [0:0]\n", chain);
  for (const auto& jump : jumps) text += jump + "\n";
  for (const auto& [chain, rules] : chains)
    for (const auto& rule : rules) text += fmt::format("-A {} {}\n", chain, rule), ++input.rules;
  for (const auto& chain : gone) text += fmt::format("-X {}\n", chain);
  text += "COMMIT\n";
}

// Chains of ours in a listing, a service's or one of the fixed ones.
bool isOurs(const std::string& chain) {
  static const std::set<std::string> kFixed{kServices, kExternal,    kNodePorts, kPostrouting,   kMark,
                                            kForward,  kMarkOutside, kFirewall,  kIptablesCanary};
  return kFixed.count(chain) || isServiceChain(chain);
}

const std::vector<std::string>& listed(const std::map<std::string, std::vector<std::string>>& by_table,
                                       const std::string& table) {
  static const std::vector<std::string> kNone;
  const auto found = by_table.find(table);
  return found == by_table.end() ? kNone : found->second;
}

bool isJump(const std::string& rule, const IptablesJump& jump) {
  return rule.starts_with(fmt::format("-A {} ", jump.from)) && rule.ends_with(fmt::format("-j {}", jump.to));
}

}  // namespace

const std::vector<IptablesJump>& iptablesJumps() {
  static const std::vector<IptablesJump> kJumps{
      {"filter", "INPUT", kExternal, "kubernetes externally-visible service portals", true},
      {"filter", "FORWARD", kExternal, "kubernetes externally-visible service portals", true},
      {"filter", "INPUT", kNodePorts, "kubernetes health check service ports", false},
      {"filter", "FORWARD", kServices, "kubernetes service portals", true},
      {"filter", "OUTPUT", kServices, "kubernetes service portals", true},
      {"filter", "FORWARD", kForward, "kubernetes forwarding rules", false},
      {"filter", "INPUT", kFirewall, "kubernetes load balancer firewall", true},
      {"filter", "OUTPUT", kFirewall, "kubernetes load balancer firewall", true},
      {"filter", "FORWARD", kFirewall, "kubernetes load balancer firewall", true},
      {"nat", "OUTPUT", kServices, "kubernetes service portals", false},
      {"nat", "PREROUTING", kServices, "kubernetes service portals", false},
      {"nat", "POSTROUTING", kPostrouting, "kubernetes postrouting rules", false},
      {"filter", "INPUT", kLocalGuard, "", false},
      {"filter", "OUTPUT", kLocalGuard, "", false},
  };
  return kJumps;
}

std::string iptablesChainName(std::string_view prefix, const std::string& service,
                              const std::string& protocol, const std::string& endpoint) {
  constexpr size_t kLength = 16;
  return std::string(prefix) + base32(sha256Hex(service + protocol + endpoint), kLength);
}

bool isServiceChain(const std::string& chain) {
  for (const char* prefix : {"KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-FW-", "KUBE-SEP-"})
    if (chain.starts_with(prefix)) return true;
  return false;
}

IptablesTables buildIptables(const Doors& doors, IpFamily family, const IptablesSettings& settings) {
  return Builder(family, settings).build(doors);
}

IptablesInput planIptables(const IptablesTables& have, const IptablesTables& want) {
  IptablesInput input;
  const auto table = [&](const char* name, const IptablesChains& before, const IptablesChains& now) {
    IptablesChains changed;
    std::vector<std::string> gone;
    for (const auto& [chain, rules] : now) {
      const auto was = before.find(chain);
      if (was == before.end() || was->second != rules) changed[chain] = rules;
    }
    for (const auto& [chain, rules] : before)
      if (!now.count(chain)) gone.push_back(chain);
    write(input, name, changed, {}, gone);
  };
  table("filter", have.filter, want.filter);
  table("nat", have.nat, want.nat);
  return input;
}

IptablesListing parseIptablesSave(std::string_view text) {
  IptablesListing listing;
  std::string table;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (line.starts_with('*')) table = std::string(line.substr(1));
    if (line.starts_with(':')) listing.chains[table].emplace_back(line.substr(1, line.find(' ') - 1));
    if (line.starts_with("-A ")) {
      std::string rule(line);
      while (rule.ends_with(' ')) rule.pop_back();
      listing.rules[table].push_back(std::move(rule));
    }
  }
  return listing;
}

IptablesInput planIptablesAnew(const IptablesListing& listing, const IptablesTables& want) {
  IptablesInput input;
  write(input, "mangle", {{kIptablesCanary, {}}}, {}, {});
  for (const auto& [name, chains] : {std::pair{"filter", &want.filter}, std::pair{"nat", &want.nat}}) {
    IptablesChains all = *chains;
    all[kIptablesCanary];
    const auto& rules = listed(listing.rules, name);
    std::vector<std::string> jumps, gone;
    for (const auto& jump : iptablesJumps()) {
      if (std::string(name) != jump.table || !all.count(jump.to)) continue;
      if (std::any_of(rules.begin(), rules.end(), [&](const auto& rule) { return isJump(rule, jump); }))
        continue;
      jumps.push_back(fmt::format("-I {} 1{}{} -j {}", jump.from,
                                  jump.only_new ? " -m conntrack --ctstate NEW" : "",
                                  *jump.comment ? " " + comment(jump.comment) : "", jump.to));
    }
    for (const auto& chain : listed(listing.chains, name))
      if (isServiceChain(chain) && !all.count(chain)) gone.push_back(chain);
    write(input, name, all, jumps, gone);
  }
  return input;
}

IptablesInput planIptablesRemoval(const IptablesListing& listing) {
  IptablesInput input;
  for (const char* name : {"mangle", "filter", "nat"}) {
    std::vector<std::string> jumps, gone;
    for (const auto& rule : listed(listing.rules, name))
      for (const auto& jump : iptablesJumps())
        // KUBE-FIREWALL is the kubelet's, too, and stays.
        if (std::string(name) == jump.table && isJump(rule, jump) && isOurs(jump.to)) {
          jumps.push_back("-D" + rule.substr(2));
          break;
        }
    for (const auto& chain : listed(listing.chains, name))
      if (isOurs(chain)) gone.push_back(chain);
    write(input, name, {}, jumps, gone);
  }
  return input;
}

}  // namespace keelson::proxy
