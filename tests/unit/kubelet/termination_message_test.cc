#include "kubelet/termination_message.h"

#include <sys/stat.h>
#include <unistd.h>

#include "tests/fakes/temp_dir.h"
#include "tests/unit/kubelet/pods.h"

namespace keelson::kubelet {
namespace {

struct Messages : testing::Test {
  TempDir temp;
  DirFd dir = DirFd::open(temp.path()).value();
  std::string log = temp / "0.log";

  void write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(writeFileAtomic(temp / name, text));
  }
  std::string read(bool fall_back) { return readTerminationMessage({dir, "message", log, fall_back}); }
  static std::string line(const std::string& text) {
    return "2026-01-01T00:00:00.000000000Z stdout F " + text + "\n";
  }
};

TEST_F(Messages, ReadsTheFile) {
  write("message", "all is lost\n");
  EXPECT_EQ(read(false), "all is lost\n");
}

TEST_F(Messages, KeepsTheLastFourKilobytes) {
  write("message", std::string(5000, 'a') + "end");
  EXPECT_EQ(read(false).size(), kMaxTerminationMessage);
  EXPECT_EQ(read(false).substr(kMaxTerminationMessage - 3), "end");
}

TEST_F(Messages, IsEmptyWithoutAFile) { EXPECT_EQ(read(false), ""); }

TEST_F(Messages, FallsBackToTheLogOnlyIfTheFileIsEmpty) {
  write("0.log", line("from the log"));
  EXPECT_EQ(read(true), "from the log\n");
  write("message", "own words");
  EXPECT_EQ(read(true), "own words");
}

TEST_F(Messages, TakesTheLastEightyLinesOfTheLog) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += line(std::to_string(i));
  write("0.log", text);
  const std::string message = read(true);
  EXPECT_EQ(message.substr(0, 3), "20\n");
  EXPECT_EQ(message.substr(message.size() - 3), "99\n");
}

TEST_F(Messages, TakesAtMostTwoKilobytesOfTheLog) {
  write("0.log", line(std::string(5000, 'x')) + line("end"));
  EXPECT_EQ(read(true).size(), kMaxMessageFromLogs);
}

TEST_F(Messages, ReplacesWhatIsNotUtf8) {
  write("message",
        "a\xFF"
        "b");
  EXPECT_EQ(read(false),
            "a\xEF\xBF\xBD"
            "b");
}

TEST_F(Messages, DoesNotFollowLinksNorWaitForPipes) {
  write("secret", "of the host");
  ASSERT_EQ(::symlink((temp / "secret").c_str(), (temp / "message").c_str()), 0);
  EXPECT_EQ(read(false).find("of the host"), std::string::npos);
  ASSERT_EQ(::unlink((temp / "message").c_str()), 0);
  ASSERT_EQ(::mkfifo((temp / "message").c_str(), 0600), 0);
  EXPECT_EQ(read(false), "Error on reading termination log: not a regular file");
}

}  // namespace
}  // namespace keelson::kubelet
