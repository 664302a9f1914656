#include "runtime/usage.h"

#include <gtest/gtest.h>

namespace keelson::runtime {
namespace {

TEST(StatValue, FindsTheLineOfItsKey) {
  const std::string text = "anon 5\ninactive_file 42\ntotal_inactive_file 7\nempty\nlast 9";
  EXPECT_EQ(statValue(text, "anon"), 5u);
  EXPECT_EQ(statValue(text, "inactive_file"), 42u);
  EXPECT_EQ(statValue(text, "total_inactive_file"), 7u);
  EXPECT_EQ(statValue(text, "last"), 9u);
  EXPECT_EQ(statValue(text, "inactive"), 0u);
  EXPECT_EQ(statValue(text, "empty"), 0u);
  EXPECT_EQ(statValue("", "x"), 0u);
}

}  // namespace
}  // namespace keelson::runtime
