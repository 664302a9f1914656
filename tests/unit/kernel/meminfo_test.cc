#include "kernel/meminfo.h"

#include <gtest/gtest.h>

namespace keelson::kernel {
namespace {

constexpr char kText[] =
    "MemTotal:       24684092 kB\nMemFree:        22970604 kB\nMemAvailable:   23874256 kB\n"
    "Inactive:         791656 kB\nInactive(anon):   270164 kB\nInactive(file):   521492 kB\n"
    "SwapTotal:          1024 kB\nSwapFree:            512 kB\nHugePages_Total:       0\n";

TEST(Meminfo, ReadsTheLinesAskedForInBytes) {
  const auto info = parseMeminfo(kText);
  ASSERT_TRUE(info.ok()) << info.error().text;
  EXPECT_EQ(info->total.value, 24684092LL * 1024);
  EXPECT_EQ(info->free.value, 22970604LL * 1024);
  EXPECT_EQ(info->available.value, 23874256LL * 1024);
  EXPECT_EQ(info->inactive_file.value, 521492LL * 1024);
  EXPECT_EQ(info->swap_total.value, 1024 * 1024);
  EXPECT_EQ(info->swap_free.value, 512 * 1024);
}

TEST(Meminfo, RefusesTextWithoutTheNeededLines) {
  for (const char* text : {"", "MemTotal: 5 kB\n", "MemFree: 5 kB\n", "MemTotal: x kB\nMemFree: 5 kB\n",
                           "MemTotal: -1 kB\nMemFree: 5 kB\n", "MemTotal:\nMemFree:\n",
                           "MemTotal: 18446744073709551615 kB\nMemFree: 1 kB\n"}) {
    const auto info = parseMeminfo(text);
    ASSERT_FALSE(info.ok()) << text;
    EXPECT_EQ(info.error().code, Code::kDataLoss);
  }
}

TEST(Meminfo, MissingOptionalLinesAreZero) {
  const auto info = parseMeminfo("MemTotal: 2 kB\nMemFree: 1 kB");
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->total.value, 2048);
  EXPECT_EQ(info->available.value, 0);
}

TEST(Meminfo, ReadsThisMachine) {
  const auto info = readMeminfo();
  ASSERT_TRUE(info.ok()) << info.error().text;
  EXPECT_GT(info->total.value, info->free.value);
}

TEST(TaskCount, IsTheNumberAfterTheSlash) {
  EXPECT_EQ(parseTasks("4.24 2.43 1.43 7/122 30174\n").valueOr(0), 122u);
  for (const char* text : {"", "1 2 3", "1 2 3 4/ 5", "1 2 3 4/x 5"}) {
    EXPECT_FALSE(parseTasks(text).ok()) << text;
  }
}

TEST(TaskCount, ReadsThisMachine) {
  const auto count = readTaskCount();
  ASSERT_TRUE(count.ok()) << count.error().text;
  EXPECT_GT(count->running, 0u);
  EXPECT_GT(count->max, count->running);
}

}  // namespace
}  // namespace keelson::kernel
