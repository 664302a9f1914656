#include "runtime/shim/log_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/ids.h"

namespace keelson::runtime::shim {
namespace {

namespace fs = std::filesystem;

constexpr WallTime kNoon{std::chrono::seconds(1795176000)};  // 2026-11-20T12:00:00Z

class LogFileTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directory(path_); }
  void TearDown() override { fs::remove_all(path_); }

  LogFile open(LogLimits limits) {
    auto log = LogFile::open(DirFd::open(path_).value(), "0.log", limits);
    EXPECT_TRUE(log.ok());
    return std::move(log).value();
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(path_)) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }
  std::string content(const std::string& name) const {
    std::ifstream in(path_ + "/" + name);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }

  const std::string path_ = fs::temp_directory_path() / ("keelson-log-" + randomHex(6));
};

TEST_F(LogFileTest, AppendsToWhatIsThere) {
  std::ofstream(path_ + "/0.log") << "before\n";
  LogFile log = open({});
  log.append("p ", "he", "ad", kNoon);
  log.flush();
  EXPECT_EQ(content("0.log"), "before\np head\n");
  EXPECT_EQ(log.droppedLines(), 0u);
}

TEST_F(LogFileTest, RotatesBeforeTheLineThatWouldNotFit) {
  LogFile log = open({.max_bytes = 10, .max_files = 5});
  log.append("", "12345", "6789", kNoon);  // ten bytes with the newline: fits
  log.append("", "b", "", kNoon);
  log.flush();
  EXPECT_EQ(content("0.log.20261120-120000"), "123456789\n");
  EXPECT_EQ(content("0.log"), "b\n");
}

TEST_F(LogFileTest, ALineLargerThanTheLimitHasAFileOfItsOwn) {
  LogFile log = open({.max_bytes = 4, .max_files = 5});
  log.append("", "a long first line", "", kNoon);
  log.append("", "another", "", kNoon);
  log.flush();
  EXPECT_EQ(content("0.log.20261120-120000"), "a long first line\n");
  EXPECT_EQ(content("0.log"), "another\n");
}

TEST_F(LogFileTest, NamesOfOneSecondSortByAge) {
  LogFile log = open({.max_bytes = 1, .max_files = 100});
  for (int i = 0; i < 13; ++i) log.append("", std::to_string(i), "", kNoon);
  log.append("", "13", "", kNoon + std::chrono::seconds(1));
  log.flush();
  std::string order;
  for (const std::string& name : files())
    if (name != "0.log") order += content(name);
  EXPECT_EQ(order, "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n");
}

TEST_F(LogFileTest, RemovesTheOldestAlsoOfAnEarlierWriter) {
  for (const char* name :
       {"0.log.20250101-000000", "0.log.20250102-000000", "0.log.gz", "1.log.20240101-000000"})
    std::ofstream(path_ + "/" + name) << "x";
  LogFile log = open({.max_bytes = 1, .max_files = 2});
  log.append("", "a", "", kNoon);
  log.append("", "b", "", kNoon);
  log.flush();
  EXPECT_EQ(files(), (std::vector<std::string>{"0.log", "0.log.20261120-120000", "0.log.gz",
                                               "1.log.20240101-000000"}));
}

TEST_F(LogFileTest, GoesOnInTheSameFileWhenItCannotRotate) {
  LogFile log = open({.max_bytes = 1, .max_files = 3});
  log.append("", "a", "", kNoon);
  log.flush();
  fs::remove(path_ + "/0.log");  // nothing to rename
  log.append("", "b", "", kNoon);
  log.flush();
  EXPECT_EQ(log.droppedLines(), 0u);
}

TEST_F(LogFileTest, CountsWhatItCannotWrite) {
  auto log = LogFile::open(DirFd::open("/dev").value(), "full", {});
  ASSERT_FALSE(log.ok()) << "a device is not a log";
}

TEST(RotationStamp, IsUtcInKubeletsForm) { EXPECT_EQ(rotationStamp(kNoon), "20261120-120000"); }

}  // namespace
}  // namespace keelson::runtime::shim
