#include "runtime/shim/cri_lines.h"

#include <gtest/gtest.h>

namespace keelson::runtime::shim {
namespace {

struct Case {
  const char* name;
  std::vector<std::string> reads;
  std::vector<std::pair<std::string, bool>> lines;  // text, partial
};

std::string as(size_t count) { return std::string(count, 'a'); }

class CriLines : public ::testing::TestWithParam<Case> {};

TEST_P(CriLines, AreCutAsContainerdDoes) {
  LineSplitter splitter;
  std::vector<std::pair<std::string, bool>> lines;
  const auto emit = [&](std::string_view head, std::string_view tail, bool partial) {
    lines.emplace_back(std::string(head) + std::string(tail), partial);
  };
  for (const std::string& read : GetParam().reads) splitter.feed(read, emit);
  splitter.finish(emit);
  EXPECT_EQ(lines, GetParam().lines);
}

INSTANTIATE_TEST_SUITE_P(
    All, CriLines,
    ::testing::Values(
        Case{"Nothing", {""}, {}}, Case{"OneLine", {"a\n"}, {{"a", false}}},
        Case{"EmptyLines", {"\n\n"}, {{"", false}, {"", false}}},
        Case{"AcrossReads", {"he", "ll", "o\nx", "\n"}, {{"hello", false}, {"x", false}}},
        Case{"Unfinished", {"a\nb"}, {{"a", false}, {"b", true}}},
        Case{"ExactlyFull", {as(16384) + "\n"}, {{as(16384), false}}},
        Case{"ExactlyFullNewlineLater", {as(16384), "\nb\n"}, {{as(16384), false}, {"b", false}}},
        Case{"OneMore", {as(16385) + "\n"}, {{as(16384), true}, {"a", false}}},
        Case{"OneMoreInPieces", {as(10000), as(6385), "\n"}, {{as(16384), true}, {"a", false}}},
        Case{"ThreePieces", {as(40000) + "\n"}, {{as(16384), true}, {as(16384), true}, {as(7232), false}}},
        Case{"FullAndNoNewline", {as(16384)}, {{as(16384), true}}}),
    [](const auto& tested) { return tested.param.name; });

TEST(CriPrefix, HasTimeStreamAndTag) {
  const WallTime time{std::chrono::nanoseconds(1795193508123456789)};
  EXPECT_EQ(criPrefix(time, LogStream::kStdout, false), formatTimeNano(time) + " stdout F ");
  EXPECT_EQ(criPrefix(time, LogStream::kStderr, true), formatTimeNano(time) + " stderr P ");
  EXPECT_EQ(formatTimeNano(time).size(), 30u) << "always nine digits, so that lines sort";
}

}  // namespace
}  // namespace keelson::runtime::shim
