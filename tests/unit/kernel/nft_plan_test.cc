#include <gtest/gtest.h>

#include "kernel/nft.h"

namespace keelson::kernel::nft {
namespace {

const Set kSet{"s", SetKind::kMap, fields({Datatype::kInetService}), fields({Datatype::kInetService}), 0};

Element element(uint16_t key, uint16_t data) {
  return {Packed().port(key).take(), Packed().port(data).take(), {}};
}

TableContent want(std::vector<Element> elements) {
  TableContent content;
  content.table = {Family::kIp, "t"};
  content.sets = {kSet};
  content.chains = {{{"c", {}}, {Rule{{accept()}}}}};
  content.elements["s"] = std::move(elements);
  return content;
}

// What reading the table gives after `content` was committed.
TableState have(const TableContent& content) {
  TableState state;
  state.exists = true;
  for (const auto& set : content.sets) state.sets[set.name].set = set;
  for (const auto& [name, elements] : content.elements)
    for (const auto& one : elements) state.sets[name].elements[one.key] = one;
  for (const auto& [chain, rules] : content.chains) {
    state.chains[chain.name].chain = chain;
    for (const auto& rule : rules)
      state.chains[chain.name].rules.push_back({0, ruleBytecode(content.table.family, rule).value()});
  }
  return state;
}

std::string plan(const TableState& state, const TableContent& content) {
  return renderBatch(planTable(state, content).value());
}

const char* const kAll =
    "add table ip t\n"
    "add map ip t s { type inet_service : inet_service; }\n"
    "add chain ip t c\n"
    "add rule ip t c accept\n"
    "add element ip t s { 80 : 8080 }\n";

TEST(NftPlan, AMissingTableIsMadeWhole) { EXPECT_EQ(plan({}, want({element(80, 8080)})), kAll); }

TEST(NftPlan, WhatIsRightIsNotTouched) {
  const auto content = want({element(80, 8080), element(81, 8081)});
  EXPECT_EQ(plan(have(content), content), "");
}

TEST(NftPlan, ElementsAreDeletedBeforeTheyAreAdded) {
  EXPECT_EQ(
      plan(have(want({element(80, 1), element(81, 8081)})), want({element(80, 8080), element(82, 8082)}))
          .substr(0, 6),
      "delete");
  EXPECT_EQ(plan(have(want({element(80, 1)})), want({element(80, 8080)})),
            "delete element ip t s { 80 : 1 }\nadd element ip t s { 80 : 8080 }\n");
}

TEST(NftPlan, StructureChangesOneByOneAndWhatRefersGoesFirst) {
  const auto content = want({element(80, 8080)});
  const auto changed = [&](auto edit) {
    TableState other = have(content);
    edit(other);
    return plan(other, content);
  };
  EXPECT_EQ(changed([](TableState& s) { s.chains["extra"].chain.name = "extra"; }),
            "delete chain ip t extra\n");
  EXPECT_EQ(changed([](TableState& s) { s.sets["extra"].set.name = "extra"; }), "delete set ip t extra\n");
  EXPECT_EQ(changed([](TableState& s) { s.chains["c"].rules.clear(); }), "add rule ip t c accept\n");
  EXPECT_EQ(changed([](TableState& s) { s.chains["c"].rules[0].bytecode = "immediate reg 0 drop\n"; }),
            "flush chain ip t c\nadd rule ip t c accept\n");
  EXPECT_EQ(changed([](TableState& s) { s.chains.clear(); }), "add chain ip t c\nadd rule ip t c accept\n");
  EXPECT_EQ(changed([](TableState& s) { s.sets.clear(); }),
            "add map ip t s { type inet_service : inet_service; }\nadd element ip t s { 80 : 8080 }\n");
  auto extra = content;
  extra.chains.push_back({{"d", {}}, {Rule{{jump("c")}}}});
  extra.sets.push_back({"m", SetKind::kVerdictMap, fields({Datatype::kInetService}), {}, 0});
  EXPECT_EQ(plan(have(extra), content), "flush chain ip t d\ndelete set ip t m\ndelete chain ip t d\n");
}

TEST(NftPlan, WhatTheKernelCannotChangeReplacesTheTableInOneBatch) {
  const auto content = want({element(80, 8080)});
  std::vector<TableState> others(3, have(content));
  others[0].sets["s"].set.key = fields({Datatype::kInetProto});
  others[1].chains["c"].chain.base = BaseChain{};
  others[2].chains["b"].chain.base = BaseChain{};
  for (const auto& other : others) EXPECT_EQ(plan(other, content), std::string("delete table ip t\n") + kAll);
}

TEST(NftPlan, WhatRulesPutIntoASetIsLeftAlone) {
  auto content = want({});
  content.sets.push_back(
      {"seen", SetKind::kSet, fields({Datatype::kIpv4Addr}), {}, 100, std::chrono::seconds(60)});
  auto state = have(content);
  state.sets["seen"].elements["abcd"] = {"abcd", "", {}};
  EXPECT_EQ(plan(state, content), "");
}

TEST(NftPlan, ARuleThatCannotBeEncodedIsNamed) {
  auto content = want({});
  content.chains[0].second = {Rule{{InterfaceMatch{Meta::kIifname, "", Compare::kEqual}}}};
  const auto refused = planTable(have(want({})), content);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().text.find("rule iifname \"\""), std::string::npos) << refused.error().text;
}

}  // namespace
}  // namespace keelson::kernel::nft
