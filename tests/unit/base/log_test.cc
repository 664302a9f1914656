#include "base/log.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

namespace keelson {
namespace {

class Log : public ::testing::Test {
 protected:
  void TearDown() override {
    ::unsetenv("JOURNAL_STREAM");
    initLog("info");
  }

  // What `say` writes to standard error, with JOURNAL_STREAM naming that stream or not.
  template <class Say>
  static std::string captured(bool journal, std::string_view level, const Say& say) {
    ::testing::internal::CaptureStderr();
    struct stat info {};
    ::fstat(STDERR_FILENO, &info);
    const std::string stream = journal ? fmt::format("{}:{}", info.st_dev, info.st_ino) : "1:1";
    ::setenv("JOURNAL_STREAM", stream.c_str(), 1);
    initLog(level);
    say();
    return ::testing::internal::GetCapturedStderr();
  }
};

TEST_F(Log, WritesPriorityPrefixesForTheJournal) {
  const std::string text = captured(true, "debug", [] {
    LOG_DEBUG("d");
    LOG_INFO("pod {}", "a");
    LOG_WARN("w");
    LOG_ERROR("e");
  });
  EXPECT_EQ(text, "<7>d\n<6>pod a\n<4>w\n<3>e\n");
}

TEST_F(Log, WritesTimeAndLevelOtherwise) {
  const std::string text = captured(false, "info", [] { LOG_INFO("hello"); });
  EXPECT_TRUE(text.ends_with(" info hello\n")) << text;
  EXPECT_EQ(text.substr(4, 1), "-") << text;
}

TEST_F(Log, HoldsBackWhatIsBelowItsLevel) {
  const auto say = [] {
    LOG_DEBUG("d");
    LOG_INFO("i");
    LOG_WARN("w");
    LOG_ERROR("e");
  };
  EXPECT_EQ(captured(true, "error", say), "<3>e\n");
  EXPECT_EQ(captured(true, "warn", say), "<4>w\n<3>e\n");
  EXPECT_EQ(captured(true, "nonsense", say), "<6>i\n<4>w\n<3>e\n");
}

TEST_F(Log, KeepsAMessageOnOneLine) {
  const std::string text = captured(true, "info", [] { LOG_INFO("bad {}", "a\n<3>forged\x1b[31m\u00e9"); });
  EXPECT_EQ(text, "<6>bad a\\x0a<3>forged\\x1b[31m\u00e9\n");
}

}  // namespace
}  // namespace keelson
