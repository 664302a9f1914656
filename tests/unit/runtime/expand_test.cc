#include "runtime/expand.h"

#include <gtest/gtest.h>

namespace keelson::runtime {
namespace {

TEST(ExpandVariables, FollowsKubernetesCases) {
  const std::map<std::string, std::string> variables = {
      {"VAR_A", "A"}, {"VAR_B", "B"}, {"VAR_REF", "$(VAR_A)"}, {"VAR_EMPTY", ""}};
  // The table of k8s.io/kubernetes/third_party/forked/golang/expansion/expand_test.go.
  const struct {
    const char *in, *out;
  } cases[] = {
      {"$(VAR_A)", "A"},
      {"___$(VAR_B)___", "___B___"},
      {"___$(VAR_C)___", "___$(VAR_C)___"},
      {"f$(VAR_REF)", "f$(VAR_A)"},
      {"$(VAR_A)-$(VAR_A)", "A-A"},
      {"$(VAR_EMPTY)", ""},
      {"foo $$(VAR_A)", "foo $(VAR_A)"},
      {"foo $$$(VAR_A)", "foo $A"},
      {"$$$$$$(VAR_A)", "$$$(VAR_A)"},
      {"f000-$$VAR_A", "f000-$VAR_A"},
      {"foo\\$(VAR_A)bar", "foo\\Abar"},
      {"foo$$$$$$$(VAR_A)", "foo$$$A"},
      {"$VAR_A", "$VAR_A"},
      {"$(VAR_A", "$(VAR_A"},
      {"$(VAR_A)$(VAR_B", "A$(VAR_B"},
      {"$(VAR_A)$", "A$"},
      {"$(", "$("},
      {"$$", "$"},
      {"$", "$"},
      {"", ""},
      {"$()", "$()"},
      {"\n$(VAR_A)", "\nA"},
      {"$(VAR_B)_______$(A", "B_______$(A"},
      {"$($(VAR_A)_foobarzab", "$($(VAR_A)_foobarzab"},
      {"$(foo$$var", "$(foo$var"},
  };
  for (const auto& c : cases) EXPECT_EQ(expandVariables(c.in, variables), c.out) << c.in;
}

TEST(ExpandVariables, DoesNotGrowWithoutBound) {
  const std::map<std::string, std::string> variables = {{"X", std::string(100'000, 'x')}};
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "$(X)";
  EXPECT_EQ(expandVariables(text, variables).size(), kMaxExpandedBytes);
}

}  // namespace
}  // namespace keelson::runtime
