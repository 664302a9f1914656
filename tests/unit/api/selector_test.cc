#include "api/selector.h"

#include <gtest/gtest.h>

namespace keelson::api {
namespace {

const StringMap kLabels{{"app", "web"}, {"cores", "8"}, {"zone", "a"}, {"empty", ""}};

TEST(Selector, RequirementsFollowTheirOperator) {
  const struct {
    NodeSelectorRequirement requirement;
    bool matches;
  } cases[] = {
      {{"app", "In", {"web", "db"}}, true},
      {{"app", "In", {"db"}}, false},
      {{"app", "In", {}}, false},
      {{"none", "In", {""}}, false},
      {{"empty", "In", {""}}, true},
      {{"app", "NotIn", {"web"}}, false},
      {{"app", "NotIn", {"db"}}, true},
      {{"none", "NotIn", {"db"}}, true},
      {{"app", "Exists", {}}, true},
      {{"none", "Exists", {}}, false},
      {{"none", "DoesNotExist", {}}, true},
      {{"app", "DoesNotExist", {}}, false},
      {{"cores", "Gt", {"4"}}, true},
      {{"cores", "Gt", {"8"}}, false},
      {{"cores", "Lt", {"16"}}, true},
      {{"cores", "Lt", {"-1"}}, false},
      {{"cores", "Gt", {"four"}}, false},
      {{"app", "Gt", {"4"}}, false},
      {{"cores", "Gt", {"1", "2"}}, false},
      {{"none", "Lt", {"5"}}, false},
      {{"cores", "Gt", {"4.5"}}, false},
      {{"app", "in", {"web"}}, false},
      {{"cores", "Gt", {"99999999999999999999"}}, false},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(matchesRequirement(one.requirement, kLabels), one.matches)
        << one.requirement.key << " " << one.requirement.operator_;
  }
}

TEST(Selector, LabelSelectorsNeedAllParts) {
  EXPECT_TRUE(matchesLabels(StringMap{}, kLabels));
  EXPECT_TRUE(matchesLabels(StringMap{{"app", "web"}, {"zone", "a"}}, kLabels));
  EXPECT_FALSE(matchesLabels(StringMap{{"app", "web"}, {"zone", "b"}}, kLabels));
  EXPECT_TRUE(matchesLabels(LabelSelector{}, kLabels));
  EXPECT_TRUE(matchesLabels(LabelSelector{{{"app", "web"}}, {{"zone", "In", {"a", "b"}}}}, kLabels));
  EXPECT_FALSE(matchesLabels(LabelSelector{{{"app", "web"}}, {{"zone", "NotIn", {"a"}}}}, kLabels));
  EXPECT_FALSE(matchesLabels(LabelSelector{{}, {{"cores", "Gt", {"1"}}}}, kLabels));
}

TEST(Selector, NodesNeedTheSelectorAndOneTerm) {
  PodSpec spec;
  EXPECT_TRUE(matchesNode(spec, "node1", kLabels));
  spec.node_selector = {{"zone", "a"}};
  EXPECT_TRUE(matchesNode(spec, "node1", kLabels));
  EXPECT_FALSE(matchesNode(spec, "node1", {}));
  spec.required_node_affinity.emplace();
  EXPECT_FALSE(matchesNode(spec, "node1", kLabels)) << "no term matches nothing";
  spec.required_node_affinity->push_back({});
  EXPECT_FALSE(matchesNode(spec, "node1", kLabels)) << "an empty term matches nothing";
  spec.required_node_affinity->push_back({{{"app", "In", {"db"}}}, {}});
  EXPECT_FALSE(matchesNode(spec, "node1", kLabels));
  spec.required_node_affinity->push_back({{{"app", "In", {"web"}}}, {{"metadata.name", "In", {"node1"}}}});
  EXPECT_TRUE(matchesNode(spec, "node1", kLabels));
  EXPECT_FALSE(matchesNode(spec, "node2", kLabels));
}

TEST(Selector, OnlyTheNodesNameIsAField) {
  PodSpec spec;
  spec.required_node_affinity = {{{}, {{"metadata.namespace", "NotIn", {"x"}}}}};
  EXPECT_FALSE(matchesNode(spec, "node1", {}));
  spec.required_node_affinity = {{{}, {{"metadata.name", "NotIn", {"node2"}}}}};
  EXPECT_TRUE(matchesNode(spec, "node1", {}));
}

}  // namespace
}  // namespace keelson::api
