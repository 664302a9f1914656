#include "proxy/iptables_rules.h"

#include <gtest/gtest.h>

#include <sstream>

#include "proxy/door_map.h"
#include "tests/unit/proxy/golden.h"
#include "tests/unit/proxy/model.h"
#include "tests/unit/proxy/world.h"

namespace keelson::proxy {
namespace {

using namespace test;

IptablesSettings settings() {
  IptablesSettings made;
  made.cluster_cidrs = {IpPrefix::parse("10.244.0.0/16").value(), IpPrefix::parse("fd00::/64").value()};
  made.localhost_node_ports = false;
  return made;
}

// What iptables-restore --noflush would make of its input, refusing what it refuses.
class FakeIptables {
 public:
  IptablesTables tables;

  std::string restore(const std::string& text) {
    IptablesTables next = tables;
    IptablesChains mangle;
    IptablesChains* table = nullptr;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
      if (line == "*mangle") table = &mangle;
      if (line == "*nat") table = &next.nat;
      if (line == "*filter") table = &next.filter;
      if (line[0] == '*' || line == "COMMIT") continue;
      std::istringstream words(line);
      std::string verb, chain;
      words >> verb;
      if (verb[0] == ':') {
        (*table)[verb.substr(1)].clear();
      } else if (verb == "-A") {
        words >> chain;
        if (!table->count(chain)) return "no chain: " + line;
        (*table)[chain].push_back(line.substr(4 + chain.size()));
      } else if (verb == "-X") {
        words >> chain;
        if (!table->erase(chain)) return "no chain: " + line;
      }
    }
    for (const auto* one : {&next.nat, &next.filter})
      for (const auto& [name, rules] : *one)
        for (const auto& rule : rules)
          if (const auto at = rule.rfind("-j KUBE-");
              at != std::string::npos && !one->count(rule.substr(at + 3)))
            return "no such target: " + rule;
    tables = std::move(next);
    return "";
  }
};

// As Tracer, through iptables' chains.
class IptablesTracer {
 public:
  explicit IptablesTracer(const IptablesTables& tables) : tables_(tables) {}

  std::set<std::string> trace(const Packet& packet) {
    outcomes_.clear();
    walk("KUBE-SERVICES", 0, packet, false, {});
    return outcomes_;
  }

 private:
  using Return = std::vector<std::pair<std::string, size_t>>;

  // True, false, or either.
  struct Verdict {
    bool matched = true, uncertain = false;
    std::string target, to;
  };
  static Verdict evaluate(const std::string& rule, const Packet& packet) {
    Verdict made;
    bool negated = false;
    const auto need = [&](bool holds) {
      if (holds == negated) made.matched = false;
      negated = false;
    };
    std::istringstream words(rule);
    for (std::string word, value; words >> word;) {
      if (word == "!") negated = true;
      if (word == "--comment") {
        words >> value;
        while (!value.ends_with('"') && words >> value) continue;
      }
      if (word == "-s" || word == "-d") {
        words >> value;
        need(IpPrefix::parse(value).value().contains(word == "-s" ? packet.source : packet.destination));
      }
      if (word == "-p") {
        words >> value;
        need(value == (packet.protocol == nft::kUdp ? "udp" : "tcp"));
      }
      if (word == "--dport") {
        words >> value;
        need(std::stoi(value) == packet.port);
      }
      if (word == "--src-type") need(packet.source_local);
      if (word == "--dst-type") need(packet.destination_local);
      if (word == "--probability" || word == "--rcheck") made.uncertain = true;
      if (word == "-j") words >> made.target;
      if (word == "--to-destination") words >> made.to;
    }
    return made;
  }

  void walk(const std::string& chain, size_t at, const Packet& packet, bool marked, Return back) {
    const auto& rules = tables_.nat.at(chain);
    if (at == rules.size()) {
      if (back.empty()) return untaken(packet);
      const auto [to, next] = back.back();
      back.pop_back();
      return walk(to, next, packet, marked, std::move(back));
    }
    const auto verdict = evaluate(rules[at], packet);
    if (!verdict.matched || verdict.uncertain) walk(chain, at + 1, packet, marked, back);
    if (!verdict.matched) return;
    if (verdict.target.empty()) return walk(chain, at + 1, packet, marked, back);
    if (verdict.target == "DNAT") {
      outcomes_.insert((marked ? "~" : "") + strip(verdict.to));
    } else if (verdict.target == "KUBE-MARK-MASQ") {
      walk(chain, at + 1, packet, true, back);
    } else {
      back.emplace_back(chain, at + 1);
      walk(verdict.target, 0, packet, marked, std::move(back));
    }
  }

  static std::string strip(std::string text) {
    std::erase(text, '[');
    std::erase(text, ']');
    return text;
  }

  void untaken(const Packet& packet) {
    for (const char* chain : {"KUBE-PROXY-FIREWALL", "KUBE-EXTERNAL-SERVICES", "KUBE-SERVICES"})
      for (const auto& rule : tables_.filter.at(chain)) {
        const auto verdict = evaluate(rule, packet);
        if (!verdict.matched) continue;
        outcomes_.insert(verdict.target == "DROP" ? "drop" : "reject");
        return;
      }
    outcomes_.insert("pass");
  }

  const IptablesTables& tables_;
  std::set<std::string> outcomes_;
};

TEST(IptablesNames, AreThoseOfKubeProxy) {
  // From upstream's own tests: pkg/proxy/iptables/proxier_test.go.
  EXPECT_EQ(iptablesChainName("KUBE-SVC-", "ns1/svc1:p80", "tcp"), "KUBE-SVC-XPGD46QRK7WJZT7O");
  EXPECT_EQ(iptablesChainName("KUBE-SEP-", "ns1/svc1:p80", "tcp", "10.180.0.1:80"),
            "KUBE-SEP-SXIVWICOYRO3J4NJ");
}

TEST(Iptables, OneEndpointChangedRewritesItsServicesChainsOnly) {
  const auto a = service("a", "10.96.0.1"), b = service("b", "10.96.0.2");
  const auto build = [&](std::vector<std::string> endpoints) {
    return buildIptables(
        resolveDoors({a, b}, {slice("a", std::move(endpoints)), slice("b", {"10.244.1.5"})}, kNode).doors,
        IpFamily::kV4, settings());
  };
  const auto input = planIptables(build({"10.244.1.1"}), build({"10.244.1.2"}));
  EXPECT_EQ(input.rules, 4U) << input.text;  // mark and choice; hairpin and DNAT
  EXPECT_EQ(planIptables(build({"10.244.1.1"}), build({"10.244.1.1"})).text, "");
}

TEST(Iptables, AListingTellsWhichJumpsAreMissingAndWhichChainsAreStale) {
  const auto want = buildIptables({}, IpFamily::kV4, settings());
  const auto listing = parseIptablesSave(
      "*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n:KUBE-SVC-OLD - [0:0]\n:OTHER - [0:0]\n"
      "-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n"
      "-A PREROUTING -j OTHER\nCOMMIT\n");
  const auto input = planIptablesAnew(listing, want);
  EXPECT_NE(input.text.find("-X KUBE-SVC-OLD\n"), std::string::npos);
  EXPECT_EQ(input.text.find("-X OTHER"), std::string::npos);
  EXPECT_EQ(input.text.find("-I PREROUTING"), std::string::npos);
  EXPECT_NE(
      input.text.find("-I OUTPUT 1 -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n"),
      std::string::npos);
  const auto removal = planIptablesRemoval(listing);
  EXPECT_EQ(removal.text,
            "*nat\n:KUBE-SERVICES - [0:0]\n:KUBE-SVC-OLD - [0:0]\n"
            "-D PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n"
            "-X KUBE-SERVICES\n-X KUBE-SVC-OLD\nCOMMIT\n");
}

TEST(Iptables, EveryFeatureAsText) {
  const auto [services, slices] = everyFeature();
  const auto doors = resolveDoors(services, slices, kNode).doors;
  IptablesSettings use = settings();
  use.localhost_node_ports = true;
  expectGolden("iptables/keelson_proxy_ip.txt",
               planIptablesAnew({}, buildIptables(doors, IpFamily::kV4, use)).text);
  expectGolden("iptables/keelson_proxy_ip6.txt",
               planIptablesAnew({}, buildIptables(doors, IpFamily::kV6, use)).text);
}

class IptablesLives : public testing::TestWithParam<unsigned> {};

TEST_P(IptablesLives, OfServicesEndAsTheModelSays) {
  const bool v6 = GetParam() % 4 == 3;
  RandomLife life(GetParam(), v6);
  const IpFamily family = v6 ? IpFamily::kV6 : IpFamily::kV4;
  const auto use = settings();
  DoorMap map;
  ObjectChanges start;
  start.node = kNode;
  map.apply(start);
  FakeIptables kernel;
  IptablesTables have = buildIptables({}, family, use);
  ASSERT_EQ(kernel.restore(planIptablesAnew({}, have).text), "");
  const auto packets = life.packets();
  for (int step = 0; step < 40; ++step) {
    map.apply(life.step());
    auto want = buildIptables(map.doors(), family, use);
    const auto input = planIptables(have, want);
    ASSERT_EQ(kernel.restore(input.text), "") << input.text;
    have = std::move(want);
    const Model model(life.objects, use.cluster_cidrs, Model::Ways::kIptables);
    IptablesTracer tracer(kernel.tables);
    for (const auto& packet : packets)
      ASSERT_EQ(tracer.trace(packet), model.meets(packet))
          << "step " << step << ": " << packet.source.str() << " to " << packet.destination.str() << ":"
          << packet.port << "/" << int{packet.protocol} << "\n"
          << planIptablesAnew({}, have).text;
  }
  kernel.tables.nat.erase("KUBE-PROXY-CANARY");
  kernel.tables.filter.erase("KUBE-PROXY-CANARY");
  EXPECT_EQ(kernel.tables, have);
}
INSTANTIATE_TEST_SUITE_P(Random, IptablesLives, testing::Range(0U, 40U));

}  // namespace
}  // namespace keelson::proxy
