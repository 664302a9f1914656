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

TEST(NftPlan, AnyOtherStructureReplacesTheTableInOneBatch) {
  const auto content = want({element(80, 8080)});
  std::vector<TableState> others(6, have(content));
  others[0].chains["extra"].chain.name = "extra";
  others[1].sets["extra"].set.name = "extra";
  others[2].chains["c"].rules.clear();
  others[3].chains["c"].rules[0].bytecode = "immediate reg 0 drop\n";
  others[4].sets["s"].set.key = fields({Datatype::kInetProto});
  others[5].chains["c"].chain.base = BaseChain{};
  for (const auto& other : others) EXPECT_EQ(plan(other, content), std::string("delete table ip t\n") + kAll);
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
