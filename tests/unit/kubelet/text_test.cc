#include "kubelet/text.h"

#include <gtest/gtest.h>

namespace keelson::kubelet {
namespace {

TEST(CleanText, NeverSplitsACharacter) {
  EXPECT_EQ(cleanText("a\xE2\x82\xAC", 3), "a");
  EXPECT_EQ(cleanText("a\xE2\x82\xAC", 4), "a\xE2\x82\xAC");
}

TEST(CleanText, ReplacesWhatIsNotUtf8) {
  const std::string bad[] = {"\xC0\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\x80", "\xE2\x82"};
  for (const auto& text : bad) {
    const std::string clean = cleanText(text, 100);
    EXPECT_EQ(clean.size(), text.size() * 3) << testing::PrintToString(text);
  }
  EXPECT_EQ(cleanText(std::string("a\0b", 3), 10), "a b");
}

TEST(GoDuration, IsWhatKubernetesPrints) {
  const std::pair<int, const char*> cases[] = {
      {0, "0s"}, {40, "40s"}, {80, "1m20s"}, {300, "5m0s"}, {3600, "1h0m0s"}};
  for (const auto& [seconds, text] : cases) EXPECT_EQ(goDuration(std::chrono::seconds(seconds)), text);
}

}  // namespace
}  // namespace keelson::kubelet
