// The log writer: lines, rotation, terminals, its death.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/root/runtime/shim_client.h"

namespace keelson::test {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

ROOT_TEST(ShimLog, SplitsLongLinesAndMarksAnUnfinishedOne) {
  ShimPod pod(world);
  pod.run(ShimPod::planFor(
      "c1", "yes a | head -c 40000 | grep -v x | while read -r l; do echo -n aa; done; echo; echo -n end"));
  const std::string texts = pod.log("c1");
  EXPECT_EQ(texts, std::string(40000, 'a') + "\nend");
  std::istringstream lines(pod.rawLog("c1"));
  std::string tags;
  for (std::string line; std::getline(lines, line);) {
    const size_t tag = line.find(" stdout ") + 8;
    tags += line[tag];
    EXPECT_LE(line.size() - tag - 2, 16384u);
  }
  EXPECT_EQ(tags, "PPFP");
}

ROOT_TEST(ShimLog, RotatesByBytesAndLosesNothing) {
  runtime::SandboxPlan plan;
  plan.log_max_size = 64 * 1024;
  plan.log_max_files = 1000;
  ShimPod pod(world, plan);
  pod.run(ShimPod::planFor("c1", "seq 1 100000"));
  std::string expected;
  for (int i = 1; i <= 100000; ++i) expected += std::to_string(i) + "\n";
  EXPECT_TRUE(pod.log("c1") == expected) << "lines were lost or out of order";
  const auto files = pod.logFiles("c1");
  EXPECT_GT(files.size(), 50u);
  for (const std::string& file : files)
    EXPECT_LE(std::filesystem::file_size(std::filesystem::path(pod.root()).parent_path() / "logs/c1" / file),
              64u * 1024);
}

ROOT_TEST(ShimLog, KeepsTheNewestFiles) {
  runtime::SandboxPlan plan;
  plan.log_max_size = 64 * 1024;
  plan.log_max_files = 3;
  ShimPod pod(world, plan);
  pod.run(ShimPod::planFor("c1", "seq 1 20000"));
  EXPECT_THAT(pod.logFiles("c1"), SizeIs(3));
  const std::string texts = pod.log("c1");
  EXPECT_TRUE(texts.ends_with("19999\n20000\n"));
}

ROOT_TEST(ShimLog, OutlivesTheDeathOfItsWriter) {
  ShimPod pod(world);
  ASSERT_TRUE(pod.start(ShimPod::planFor(
                            "c1", "echo one; while [ ! -e /go ]; do usleep 10000; done; seq 1 5000; exit 3"))
                  .ok());
  pod.waitLog("c1", "one");
  for (int deaths = 0; deaths < 2; ++deaths) {
    std::vector<pid_t> writers;
    waitUntil("log writer", [&] { return !(writers = pod.childrenNamed("keelson-log")).empty(); });
    ASSERT_THAT(writers, SizeIs(1));
    auto writer = kernel::Pidfd::open(writers[0]);
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer->signal(SIGKILL).ok());
    ASSERT_TRUE(writer->waitEnd(kPatience).ok());
  }
  std::ofstream(pod.root() + "/go") << "";
  EXPECT_EQ(pod.waitExit("c1").exit_code, 3);
  std::string expected = "one\n";
  for (int i = 1; i <= 5000; ++i) expected += std::to_string(i) + "\n";
  EXPECT_EQ(pod.log("c1"), expected);
}

ROOT_TEST(ShimLog, DropsAndCountsLinesOnAFullDisk) {
  ShimPod pod(world);
  auto plan = ShimPod::planFor("c1", "seq 1 100000; exit 6");
  const std::string directory = std::filesystem::path(pod.root()).parent_path() / "logs/c1";
  std::filesystem::create_directories(directory);
  auto small = kernel::Mount::create("tmpfs", {{"size", "64k"}});
  ASSERT_TRUE(small.ok());
  const UniqueFd target(open(directory.c_str(), O_PATH | O_CLOEXEC));
  ASSERT_TRUE(small->attach(target.get()).ok());
  const auto record = pod.run(plan);
  EXPECT_EQ(record.exit_code, 6) << "the container must not wait for its log";
  EXPECT_GT(record.dropped_log_lines, 90000u);
  const std::string raw = pod.rawLog("c1");
  ASSERT_FALSE(raw.empty());
  EXPECT_EQ(raw.back(), '\n') << "only whole lines";
  const auto lines = static_cast<uint64_t>(std::count(raw.begin(), raw.end(), '\n'));
  EXPECT_EQ(lines + record.dropped_log_lines, 100000u);
}

ROOT_TEST(ShimLog, ATerminalIsOneStream) {
  ShimPod pod(world);
  auto plan = ShimPod::planFor(
      "c1", "tty; echo out; echo err >&2; echo console >/dev/console; [ -t 0 ] && echo yes; exit 2");
  plan.process.tty = true;
  EXPECT_EQ(pod.run(plan).exit_code, 2);
  EXPECT_EQ(pod.log("c1"),
            "/dev/pts/0\r\nout\r\nerr\r\nconsole\r\nyes\r\n"
            "");
}

ROOT_TEST(ShimLog, ANewInstanceHasItsOwnFile) {
  ShimPod pod(world);
  auto plan = ShimPod::planFor("c1", "echo a");
  plan.log_name = "7.log";
  pod.run(plan);
  EXPECT_THAT(pod.logFiles("c1"), ::testing::ElementsAre("7.log"));
}

}  // namespace
}  // namespace keelson::test
