#include "kubelet/node/node_labels.h"

#include <gtest/gtest.h>

#include "tests/unit/kubelet/node/node_inputs.h"

namespace keelson::kubelet::node {
namespace {

TEST(CheckNodeLabels, AllowsWhatAKubeletMaySet) {
  for (const char* key : {"disk", "example.com/disk", "topology.kubernetes.io/zone",
                          "node.kubernetes.io/anything", "kubelet.kubernetes.io/x",
                          "sub.node.kubernetes.io/x", "notkubernetes.io/x", "kubernetes.io/hostname"})
    EXPECT_TRUE(checkNodeLabels({{key, "v"}})) << key;
}

TEST(CheckNodeLabels, RefusesTheReservedNameSpacesAndBadSyntax) {
  for (const char* key : {"kubernetes.io/role", "node-role.kubernetes.io/worker", "x.k8s.io/y",
                          "node-restriction.kubernetes.io/z", "bad key"})
    EXPECT_FALSE(checkNodeLabels({{key, "v"}})) << key;
  EXPECT_FALSE(checkNodeLabels({{"disk", "not a value"}}));
  const auto both = checkNodeLabels({{"a b", "v"}, {"kubernetes.io/role", "v"}});
  ASSERT_FALSE(both);
  EXPECT_NE(both.error().text.find("kubernetes.io/role"), std::string::npos);
  EXPECT_NE(both.error().text.find("a b"), std::string::npos);
}

TEST(BuildNodeLabels, TheOnesOfTheCommandLineWin) {
  NodeInput input = exampleInput();
  input.settings.labels = {{"kubernetes.io/hostname", "other"}, {"disk", "ssd"}};
  const auto labels = buildNodeLabels(input);
  EXPECT_EQ(labels.at("kubernetes.io/hostname"), "other");
  EXPECT_EQ(labels.at("disk"), "ssd");
}

}  // namespace
}  // namespace keelson::kubelet::node
