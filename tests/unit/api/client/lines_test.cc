#include "api/client/lines.h"

#include <gtest/gtest.h>

namespace keelson::api::client {
namespace {

TEST(LineSplitter, GivesWholeLinesHoweverTheyAreCut) {
  const std::string text = "one\ntwo\n\nthree\nrest";
  for (size_t size = 1; size <= text.size(); ++size) {
    LineSplitter splitter(100);
    std::string whole;
    for (size_t at = 0; at < text.size(); at += size) {
      ASSERT_TRUE(splitter.add(std::string_view(text).substr(at, size)).ok());
      const std::string lines = splitter.take();
      EXPECT_TRUE(lines.empty() || lines.back() == '\n');
      whole += lines;
    }
    EXPECT_EQ(whole, "one\ntwo\n\nthree\n");
    EXPECT_EQ(splitter.partial(), "rest");
  }
}

TEST(LineSplitter, RefusesALineBeyondItsLimit) {
  for (const char* text : {"12345678901\n", "12345678901"}) {
    LineSplitter splitter(10);
    EXPECT_EQ(splitter.add(text).error().code, Code::kResourceExhausted) << text;
  }
  LineSplitter splitter(10);
  EXPECT_TRUE(splitter.add("1234567890\n12345").ok());
  EXPECT_TRUE(splitter.add("67890\n").ok());
  EXPECT_TRUE(splitter.add("1234567").ok());
  EXPECT_FALSE(splitter.add("8901\n").ok());
}

TEST(TakeLine, SkipsBlankLinesAndCarriageReturns) {
  std::string_view text = "\n \na\r\n\nb";
  EXPECT_EQ(takeLine(text), "a");
  EXPECT_EQ(takeLine(text), "b");
  EXPECT_EQ(takeLine(text), "");
}

}  // namespace
}  // namespace keelson::api::client
