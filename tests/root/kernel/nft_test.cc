// nftables against the real kernel, in a network namespace of the test's own; nft(8) only reads.
#include "kernel/nft.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>

#include "base/fs.h"
#include "tests/paths.h"
#include "tests/root/fixture.h"

namespace keelson::kernel::nft {
namespace {

std::string output(const std::string& command) {
  std::string text;
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(("{ " + command + "; } 2>&1").c_str(), "re"),
                                                   ::pclose);
  if (!pipe) return "popen failed";
  std::array<char, 4096> buffer{};
  while (const size_t n = ::fread(buffer.data(), 1, buffer.size(), pipe.get())) text.append(buffer.data(), n);
  return text;
}

// nft wraps element lists by its own taste; words are what counts.
std::string words(const std::string& text) {
  std::istringstream in(text);
  std::string word, all;
  while (in >> word)
    all += word +
           (word == ";" || word.ends_with(";") || word.ends_with("{") || word.ends_with("}") ? "\n" : " ");
  return all;
}

Set eps() {
  const Key key{Payload::kIpDaddr, Meta::kL4proto, Payload::kThDport, Numgen{65536}};
  return {"eps", SetKind::kMap, fieldsOf(key), fieldsOf({Payload::kIpDaddr, Payload::kThDport}), 0};
}
Set svc(Datatype address) {
  return {
      "svc", SetKind::kVerdictMap, fields({address, Datatype::kInetProto, Datatype::kInetService}), {}, 0};
}

IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }
IpPrefix prefix(const char* text) { return IpPrefix::parse(text).value(); }

// Every statement and every kind of set once.
TableContent everything() {
  TableContent c;
  c.table = {Family::kIp, "every"};
  c.sets = {eps(),
            svc(Datatype::kIpv4Addr),
            {"hp", SetKind::kMap, fields({Datatype::kInetProto, Datatype::kInetService}),
             fields({Datatype::kIpv4Addr, Datatype::kInetService}), 0},
            {"hairpin", SetKind::kSet, fields({Datatype::kIpv4Addr, Datatype::kIpv4Addr}), {}, 0},
            {"hosts", SetKind::kSet, fields({Datatype::kIpv4Addr}), {}, 1000},
            {"ports", SetKind::kSet, fields({Datatype::kInetService}), {}, 0},
            {"links", SetKind::kSet, fields({Datatype::kIfname}), {}, 0},
            {"marks", SetKind::kSet, fields({Datatype::kMark}), {}, 0},
            {"seen", SetKind::kSet, fields({Datatype::kIpv4Addr}), {}, 65535, std::chrono::seconds(93784)}};
  const Key vip{Payload::kIpDaddr, Meta::kL4proto, Payload::kThDport};
  const auto nat = [&](Selector index) {
    Key key = vip;
    key.push_back(std::move(index));
    return NatLookup{NatKind::kDnat, key, "eps"};
  };
  const auto rule = [](std::vector<Statement> s) { return Rule{std::move(s)}; };
  using enum Compare;
  c.chains = {
      {{"n3", {}}, {rule({nat(Numgen{3})})}},
      {{"u3", {}}, {rule({nat(Jhash{{Payload::kIpSaddr, Payload::kThSport}, 3})})}},
      {{"ports-dnat", {}},
       {rule({NatLookup{NatKind::kDnat, {Meta::kL4proto, Payload::kThDport}, "hp"}}),
        rule({ProtocolMatch{kTcp}, NatTo{NatKind::kDnat, ip("1.2.3.4"), 80}}),
        rule({NatTo{NatKind::kDnat, ip("1.2.3.4"), {}}})}},
      {{"pre", BaseChain{ChainType::kNat, Hook::kPrerouting, kPriorityDstnat, false}},
       {rule({LocalMatch{Fib::kDaddrType, kEqual}, jump("ports-dnat")}),
        rule({VerdictLookup{vip, "svc"}}),
        rule({SetMatch{{Payload::kIpDaddr}, "hosts", kEqual}, ret()}),
        rule({SetMatch{{Payload::kThDport}, "ports", kNotEqual}, ret()}),
        rule({AddressMatch{Payload::kIpSaddr, prefix("10.0.0.0/8"), kEqual},
              AddressMatch{Payload::kIpDaddr, prefix("10.244.0.0/16"), kNotEqual}, ret()}),
        rule({AddressMatch{Payload::kIpDaddr, prefix("224.0.0.0/4"), kEqual}, ret()}),
        rule({AddressMatch{Payload::kIpSaddr, prefix("10.96.0.0/12"), kNotEqual}, Counter{}, ret()}),
        rule({AddressMatch{Payload::kIpSaddr, prefix("127.0.0.1/32"), kEqual}, Counter{}, accept()}),
        rule({CtMatch{Ct::kState, kCtNew}, ret()}),
        rule({CtMatch{Ct::kState, kCtEstablished | kCtRelated}, accept()}),
        rule({CtMatch{Ct::kStatus, kCtDnat},
              SetMatch{{Payload::kIpSaddr, Payload::kIpDaddr}, "hairpin", kEqual}, ret()}),
        rule({MarkSet{MarkSet::Operation::kOr, 0x4000}}),
        rule({MarkSet{MarkSet::Operation::kXor, 0x4000}}),
        rule({MarkSet{MarkSet::Operation::kAnd, 0xffffbfff}}),
        rule({MarkMatch{0x4000, 0, kNotEqual}, ret()}),
        rule({MarkMatch{0x4000, 0x4000, kEqual}, ret()}),
        rule({InterfaceMatch{Meta::kIifname, "cni0", kEqual}, ret()}),
        rule({InterfaceMatch{Meta::kIifname, "cni0", kNotEqual}, ret()}),
        rule({PortMatch{kTcp, Payload::kThDport, 80, kEqual}, goTo("ports-dnat")}),
        rule({PortMatch{kUdp, Payload::kThSport, 53, kNotEqual}, ret()}),
        rule({SetMatch{{Meta::kIifname}, "links", kEqual}, ret()}),
        rule({SetMatch{{Meta::kMark}, "marks", kEqual}, ret()}),
        rule({ProtocolMatch{kSctp, kNotEqual}, ret()})}},
      {{"sticky", {}},
       {rule({SetMatch{{Payload::kIpSaddr}, "seen", kEqual}, goTo("n3")}),
        rule({NumgenMatch{3, 0}, goTo("n3")}), rule({SetUpdate{{Payload::kIpSaddr}, "seen"}})}},
      {{"post", BaseChain{ChainType::kNat, Hook::kPostrouting, kPrioritySrcnat, false}},
       {rule({InterfaceMatch{Meta::kOifname, "eth0", kEqual}, NatTo{NatKind::kSnat, ip("1.2.3.4"), {}}}),
        rule({ProtocolMatch{kUdp}, Masquerade{false}}), rule({Masquerade{true}})}},
      {{"block", BaseChain{ChainType::kFilter, Hook::kPrerouting, -110, false}},
       {rule({Reject{Reject::With::kTcpReset}}), rule({Reject{Reject::With::kAdminProhibited}}),
        rule({Reject{Reject::With::kPortUnreachable}})}},
      {{"out", BaseChain{ChainType::kFilter, Hook::kOutput, -110, true}},
       {rule({LocalMatch{Fib::kSaddrType, kNotEqual}, drop()})}},
      {{"raw", BaseChain{ChainType::kFilter, Hook::kPrerouting, kPriorityRaw, false}}, {}},
  };
  const auto vipKey = [](const char* address, uint8_t protocol, uint16_t port) {
    Packed packed;
    packed.address(ip(address)).protocol(protocol).port(port);
    return packed;
  };
  c.elements["svc"] = {{vipKey("10.96.0.1", kTcp, 443).take(), {}, goTo("n3")},
                       {vipKey("10.96.0.10", kUdp, 5353).take(), {}, goTo("u3")}};
  c.elements["eps"] = {{vipKey("10.96.0.1", kTcp, 443).number(0).take(),
                        Packed().address(ip("10.0.0.1")).port(6443).take(),
                        {}},
                       {vipKey("10.96.0.1", kTcp, 443).number(258).take(),
                        Packed().address(ip("10.0.0.2")).port(6443).take(),
                        {}}};
  c.elements["hp"] = {
      {Packed().protocol(kSctp).port(80).take(), Packed().address(ip("10.244.0.2")).port(8080).take(), {}}};
  c.elements["hairpin"] = {{Packed().address(ip("10.244.0.2")).address(ip("10.244.0.2")).take(), {}, {}}};
  c.elements["hosts"] = {{Packed().address(ip("10.0.0.7")).take(), {}, {}}};
  c.elements["ports"] = {{Packed().port(80).take(), {}, {}}, {Packed().port(8080).take(), {}, {}}};
  c.elements["links"] = {{Packed().interface("cni0").take(), {}, {}}};
  c.elements["marks"] = {{Packed().number(0x4000).take(), {}, {}}};
  return c;
}

TableContent everything6() {
  TableContent c;
  c.table = {Family::kIp6, "every6"};
  const Key vip{Payload::kIp6Daddr, Meta::kL4proto, Payload::kThDport};
  Key typed = vip, numbered = vip, hashed = vip;
  typed.push_back(Numgen{65536});
  numbered.push_back(Numgen{5});
  hashed.push_back(Jhash{{Payload::kIp6Saddr, Payload::kThSport}, 5});
  c.sets = {{"eps", SetKind::kMap, fieldsOf(typed), fieldsOf({Payload::kIp6Daddr, Payload::kThDport}), 0},
            svc(Datatype::kIpv6Addr),
            {"seen", SetKind::kSet, fields({Datatype::kIpv6Addr}), {}, 65535, std::chrono::seconds(10800)}};
  c.chains = {
      {{"n5", {}}, {Rule{{NatLookup{NatKind::kDnat, numbered, "eps"}}}}},
      {{"u5", {}}, {Rule{{NatLookup{NatKind::kDnat, hashed, "eps"}}}}},
      {{"sticky", {}}, {Rule{{SetUpdate{{Payload::kIp6Saddr}, "seen"}}}}},
      {{"pre", BaseChain{ChainType::kNat, Hook::kPrerouting, kPriorityDstnat, false}},
       {Rule{{AddressMatch{Payload::kIp6Saddr, prefix("::1/128"), Compare::kEqual}, ret()}},
        Rule{{AddressMatch{Payload::kIp6Daddr, prefix("fd00::/64"), Compare::kNotEqual}, ret()}},
        Rule{{VerdictLookup{vip, "svc"}}},
        Rule{{ProtocolMatch{kTcp}, NatTo{NatKind::kDnat, ip("fd00::1"), 80}}}}},
      {{"block", BaseChain{ChainType::kFilter, Hook::kPrerouting, -110, false}},
       {Rule{{Reject{Reject::With::kTcpReset}}}, Rule{{Reject{Reject::With::kAdminProhibited}}},
        Rule{{Reject{Reject::With::kPortUnreachable}}}}},
  };
  const auto key = [] { return Packed().address(ip("fd00:96::1")).protocol(kTcp).port(443); };
  c.elements["svc"] = {{key().take(), {}, goTo("n5")}};
  c.elements["eps"] = {{key().number(4).take(), Packed().address(ip("fd00::7")).port(6443).take(), {}}};
  return c;
}

// The nftables of the test's own network namespace.
struct Tables {
  std::unique_ptr<Nft> nft = openNft().value();
  Stop stop{std::chrono::seconds(20)};

  Result<uint32_t> commit(const Batch& batch) {
    return nft->commit(batch, nft->generation(stop).value(), stop);
  }
  void load(const TableContent& content) {
    Batch batch;
    const auto done = commit(batch.addContent(content));
    ASSERT_TRUE(done.ok()) << done.error().text;
  }
};

// Compares with tests/golden/nft/NAME; KEELSON_GOLDEN=write rewrites it.
void expectGolden(const std::string& name, const std::string& text) {
  const std::string path = test::sourcePath("tests/golden/nft/" + name);
  const char* mode = std::getenv("KEELSON_GOLDEN");
  if (mode && std::string(mode) == "write") {
    ASSERT_TRUE(writeFileAtomic(path, text, 0644).ok());
  }
  const auto golden = readFile(path, 1 << 20);
  ASSERT_TRUE(golden.ok()) << golden.error().text;
  EXPECT_EQ(*golden, text);
}

ROOT_TEST(Nft, EveryStatementIsListedByNftAsRendered) {
  Tables own;
  for (const auto& [content, golden] : {std::pair{everything(), "every_statement_ip.nft"},
                                        std::pair{everything6(), "every_statement_ip6.nft"}}) {
    own.load(content);
    const auto text = renderTable(content);
    expectGolden(golden, text);
    EXPECT_EQ(words(output(
                  fmt::format("nft list table {} {}", familyName(content.table.family), content.table.name))),
              words(text));
  }
}

ROOT_TEST(Nft, RenderedTextIsLoadedByNftAgain) {
  Tables own;
  for (const auto& content : {everything(), everything6()}) {
    const auto text = renderTable(content);
    char path[] = "/tmp/keelson-nft-XXXXXX";
    const UniqueFd file(::mkstemp(path));
    ASSERT_TRUE(file.valid());
    ASSERT_TRUE(writeAll(file.get(), text).ok());
    EXPECT_EQ(output(fmt::format("nft -f {}", path)), "");
    ::unlink(path);
    const auto state = own.nft->read(content.table, own.stop);
    ASSERT_TRUE(state.ok()) << state.error().text;
    EXPECT_EQ(state->chains.size(), content.chains.size());
  }
}

ROOT_TEST(Nft, ATableReadBackEqualsWhatWasWanted) {
  Tables own;
  for (const auto& content : {everything(), everything6()}) {
    own.load(content);
    const auto state = own.nft->read(content.table, own.stop);
    ASSERT_TRUE(state.ok()) << state.error().text;
    for (const auto& [chain, rules] : content.chains) {
      const auto& have = state->chains.at(chain.name);
      EXPECT_EQ(have.chain, chain);
      ASSERT_EQ(have.rules.size(), rules.size()) << chain.name;
      for (size_t i = 0; i < rules.size(); ++i)
        EXPECT_EQ(have.rules[i].bytecode, ruleBytecode(content.table.family, rules[i]).value());
    }
    const auto plan = planTable(*state, content);
    ASSERT_TRUE(plan.ok()) << plan.error().text;
    EXPECT_EQ(renderBatch(*plan), "");
  }
}

ROOT_TEST(Nft, PlanRepairsElementsAndStructureThatOthersChanged) {
  Tables own;
  const auto want = everything();
  const char* const changes[] = {
      "nft delete element ip every ports '{ 80 }'",
      "nft add element ip every ports '{ 81 }'",
      "nft delete element ip every hp '{ sctp . 80 }' && nft add element ip every hp '{ sctp . 80 : 1.1.1.1 "
      ". 1 }'",
      "nft flush map ip every svc",
      "nft flush chain ip every n3",
      "nft add rule ip every n3 drop",
      "nft insert rule ip every pre accept",
      "nft add chain ip every extra",
      "nft add set ip every extra '{ type ipv4_addr; }'",
      "nft 'add chain ip every c2; add map ip every m { type ipv4_addr : verdict; }; "
      "add element ip every m { 1.1.1.1 : goto c2 }; add rule ip every n3 ip daddr vmap @m; "
      "add element ip every svc { 1.1.1.1 . tcp . 1 : goto c2 }'",
      "nft flush chain ip every sticky",
      "nft delete table ip every",
      "nft chain ip every out '{ policy accept; }'",
  };
  own.load(want);
  for (const char* change : changes) {
    ASSERT_EQ(output(change), "") << change;
    const auto broken = own.nft->read(want.table, own.stop);
    ASSERT_TRUE(broken.ok()) << broken.error().text;
    const auto plan = planTable(*broken, want);
    ASSERT_TRUE(plan.ok()) << plan.error().text;
    EXPECT_FALSE(plan->empty()) << change;
    const auto done = own.nft->commit(*plan, broken->generation, own.stop);
    ASSERT_TRUE(done.ok()) << change << ": " << done.error().text;
    EXPECT_EQ(words(output("nft list table ip every")), words(renderTable(want))) << change;
  }
}

ROOT_TEST(Nft, OnlyElementsChangeWhenOnlyElementsDiffer) {
  Tables own;
  const auto want = everything();
  own.load(want);
  ASSERT_EQ(output("nft delete element ip every ports '{ 80 }'"), "");
  const auto plan = planTable(own.nft->read(want.table, own.stop).value(), want);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(renderBatch(*plan), "add element ip every ports { 80 }\n");
}

ROOT_TEST(Nft, CommitGivesTheNextGeneration) {
  Tables own;
  const uint32_t before = own.nft->generation(own.stop).value();
  Batch batch;
  batch.add(AddTable{{Family::kIp, "t"}});
  const auto made = own.nft->commit(batch, before, own.stop);
  ASSERT_TRUE(made.ok()) << made.error().text;
  EXPECT_EQ(*made, own.nft->generation(own.stop).value());
  EXPECT_NE(*made, before);
}

ROOT_TEST(Nft, AStaleGenerationIsRefusedAndChangesNothing) {
  Tables own;
  const uint32_t before = own.nft->generation(own.stop).value();
  ASSERT_EQ(output("nft add table ip foreign"), "");
  Batch batch;
  batch.add(AddTable{{Family::kIp, "mine"}});
  const auto refused = own.nft->commit(batch, before, own.stop);
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(isStale(refused.error())) << refused.error().text;
  EXPECT_FALSE(own.nft->read({Family::kIp, "mine"}, own.stop).value().exists);
  EXPECT_TRUE(own.commit(batch).ok());  // the conversation goes on
}

ROOT_TEST(Nft, AnErrorNamesTheOperationAndElementAtFault) {
  Tables own;
  own.load(everything());
  const Table table{Family::kIp, "every"};
  const auto hp = everything().sets[2];
  const auto element = [](uint16_t port, const char* pod) {
    return Element{Packed().protocol(kTcp).port(port).take(), Packed().address(ip(pod)).port(80).take(), {}};
  };
  struct Case {
    Operation operation;
    Code code;
    std::string text;
  };
  const Case cases[] = {
      {DeleteChain{table, "absent"}, Code::kNotFound, "delete chain ip every absent: ENOENT"},
      {DeleteSet{table, "absent"}, Code::kNotFound, "delete set ip every absent: ENOENT"},
      {AddRule{table, "pre", Rule{{jump("absent")}}}, Code::kNotFound,
       "add rule ip every pre jump absent: ENOENT"},
      {DeleteElements{table, hp, {element(1, "10.0.0.1")}}, Code::kNotFound,
       "delete element ip every hp { tcp . 1 : 10.0.0.1 . 80 }: ENOENT"},
      {AddElements{
           table,
           hp,
           {element(1, "10.0.0.1"), element(2, "10.0.0.1"), element(2, "10.0.0.2"), element(3, "10.0.0.1")}},
       Code::kAlreadyExists, "add element ip every hp { tcp . 2 : 10.0.0.2 . 80 }: EEXIST"},
  };
  for (const auto& c : cases) {
    Batch batch;
    batch.add(AddTable{table}).add(c.operation).add(AddTable{table});
    const auto refused = own.commit(batch);
    ASSERT_FALSE(refused.ok()) << c.text;
    EXPECT_EQ(refused.error().code, c.code) << refused.error().text;
    EXPECT_TRUE(refused.error().text.starts_with(c.text)) << refused.error().text;
  }
  const auto state = own.nft->read(table, own.stop);
  EXPECT_EQ(renderBatch(planTable(*state, everything()).value()), "");
}

ROOT_TEST(Nft, OverwritingAnElementIsDeleteAndAddInOneBatch) {
  Tables own;
  own.load(everything());
  const auto hp = everything().sets[2];
  const Table table{Family::kIp, "every"};
  const Element other{
      Packed().protocol(kSctp).port(80).take(), Packed().address(ip("10.9.9.9")).port(1).take(), {}};
  Batch batch;
  batch.add(DeleteElements{table, hp, {other}}).add(AddElements{table, hp, {other}});
  ASSERT_TRUE(own.commit(batch).ok());
  EXPECT_EQ(own.nft->read(table, own.stop).value().sets.at("hp").elements.at(other.key), other);
}

ROOT_TEST(Nft, FiftyThousandElementsGoInOneBatchAndComeBack) {
  Tables own;
  TableContent c;
  c.table = {Family::kIp, "big"};
  c.sets = {eps()};
  auto& elements = c.elements["eps"];
  for (uint32_t i = 0; i < 50'000; ++i) {
    elements.push_back(
        {Packed().address(ip("10.96.0.0").plus(i / 5)).protocol(kTcp).port(80).number(i % 5).take(),
         Packed().address(ip("10.200.0.0").plus(i)).port(8080).take(),
         {}});
  }
  own.load(c);
  const auto state = own.nft->read(c.table, own.stop);
  ASSERT_TRUE(state.ok()) << state.error().text;
  EXPECT_EQ(state->sets.at("eps").elements.size(), elements.size());
  EXPECT_TRUE(planTable(*state, c).value().empty());
}

TEST(NftRule, RefusesToEncodeWhatNftCouldNotList) {
  const Rule rules[] = {
      Rule{{AddressMatch{Payload::kIpDaddr, prefix("0.0.0.0/0"), Compare::kEqual}}},
      Rule{{AddressMatch{Payload::kIpDaddr, prefix("fd00::/64"), Compare::kEqual}}},
      Rule{{InterfaceMatch{Meta::kIifname, "a-name-of-16-byt", Compare::kEqual}}},
      Rule{{NatTo{NatKind::kDnat, ip("fd00::1"), {}}}},
      Rule{{SetMatch{
          {Payload::kIp6Saddr, Payload::kIp6Daddr, Payload::kIp6Saddr, Payload::kIp6Daddr, Meta::kMark},
          "s",
          Compare::kEqual}}},
  };
  for (const auto& rule : rules)
    EXPECT_FALSE(ruleBytecode(Family::kIp, rule).ok()) << renderRule(Family::kIp, rule);
}

ROOT_TEST(Nft, TheWatchHearsEachCommitOnceEvenOfALargeBatch) {
  Tables own;
  auto watch = NftWatch::open();
  ASSERT_TRUE(watch.ok()) << watch.error().text;
  EXPECT_TRUE(watch->drain().generations.empty());
  own.load(everything());
  ASSERT_EQ(output("nft add table ip foreign"), "");
  pollfd poll{watch->fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&poll, 1, 5000), 1);
  const auto changes = watch->drain();
  EXPECT_EQ(changes.generations.size(), 2u);
  EXPECT_FALSE(changes.lost);
  EXPECT_EQ(changes.generations.back(), own.nft->generation(own.stop).value());
  EXPECT_TRUE(watch->drain().generations.empty());
}

ROOT_TEST(Nft, ACancelledCommitReturnsItsReason) {
  Tables own;
  Stop stop{std::chrono::seconds(5)};
  stop.cancel();
  Batch batch;
  batch.add(AddTable{{Family::kIp, "t"}});
  const auto refused = own.nft->commit(batch, 1, stop);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kCancelled);
}

}  // namespace
}  // namespace keelson::kernel::nft
