#include "kubelet/server/container_logs.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/fakes/temp_dir.h"

namespace keelson::kubelet::server {
namespace {

std::string entry(int second, const std::string& text, const char* tag = "F", const char* stream = "stdout") {
  return fmt::format("2026-01-01T00:00:{:02}.000000000Z {} {} {}\n", second, stream, tag, text);
}

class ContainerLogs : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder() + "/" + name, std::ios::app) << text;
  }
  std::string folder() const { return directory_.path(); }
  std::string read(const LogOptions& options) {
    auto cursor = LogCursor::open(folder(), 0, options);
    if (!cursor) return "error: " + cursor.error().text;
    return drain(*cursor);
  }
  static std::string drain(LogCursor& cursor) {
    std::string all;
    while (true) {
      const auto piece = cursor.read(16).value();
      if (piece.empty()) return all;
      all += piece;
    }
  }

 private:
  TempDir directory_;
};

TEST_F(ContainerLogs, ReadsRotatedFilesBeforeTheCurrentOne) {
  write("0.log.20260101-000001", entry(1, "one"));
  write("0.log.20260101-000002", entry(2, "two"));
  write("0.log", entry(3, "three"));
  write("1.log", entry(4, "other life"));
  EXPECT_EQ(read({}), "one\ntwo\nthree\n");
}

TEST_F(ContainerLogs, JoinsPartialEntriesAndKeepsTimes) {
  write("0.log", entry(1, "long ", "P") + entry(1, "line") + entry(2, "next"));
  EXPECT_EQ(read({}), "long line\nnext\n");
  EXPECT_EQ(read({.timestamps = true}),
            "2026-01-01T00:00:01.000000000Z long line\n2026-01-01T00:00:02.000000000Z next\n");
}

TEST_F(ContainerLogs, TailGoesBackOverRotations) {
  write("0.log.20260101-000001", entry(1, "one") + entry(2, "two"));
  write("0.log", entry(3, "three") + entry(4, "four"));
  const char* tails[] = {"",
                         "four\n",
                         "three\nfour\n",
                         "two\nthree\nfour\n",
                         "one\ntwo\nthree\nfour\n",
                         "one\ntwo\nthree\nfour\n"};
  for (int64_t n = 0; n < 6; ++n) EXPECT_EQ(read({.tail_lines = n}), tails[n]) << n;
}

TEST_F(ContainerLogs, FiltersByTimeStreamAndBytes) {
  write("0.log", entry(1, "old") + entry(5, "new") + entry(6, "bad", "F", "stderr"));
  EXPECT_EQ(read({.since = parseTime("2026-01-01T00:00:02Z").value()}), "new\nbad\n");
  EXPECT_EQ(read({.stream = "stderr"}), "bad\n");
  EXPECT_EQ(read({.limit_bytes = 6}), "old\nne");
}

TEST_F(ContainerLogs, StaysOnItsFileThroughARotation) {
  write("0.log", entry(1, "one"));
  auto cursor = LogCursor::open(folder(), 0, {}).value();
  EXPECT_EQ(drain(cursor), "one\n");
  write("0.log", entry(2, "two"));
  std::filesystem::rename(folder() + "/0.log", folder() + "/0.log.20260101-000002");
  write("0.log", entry(3, "three"));
  EXPECT_EQ(drain(cursor), "two\nthree\n");
}

TEST_F(ContainerLogs, GoesOnWhenItsFileWasDeleted) {
  write("0.log", entry(1, "one"));
  auto cursor = LogCursor::open(folder(), 0, {}).value();
  EXPECT_EQ(drain(cursor), "one\n");
  std::filesystem::remove(folder() + "/0.log");
  write("0.log.20260101-000009", entry(8, "eight"));
  write("0.log", entry(9, "nine"));
  EXPECT_EQ(drain(cursor), "eight\nnine\n");
}

TEST_F(ContainerLogs, SurvivesGarbage) {
  write("0.log", "no entry at all\n\n" + std::string(200'000, 'x') + "\n" + entry(1, "good"));
  EXPECT_EQ(read({}), "good\n");
}

TEST_F(ContainerLogs, AMissingFileIsNamed) { EXPECT_NE(read({}).find("0.log"), std::string::npos); }

TEST_F(ContainerLogs, FollowingWaitsForLinesAndEndsWithTheInstance) {
  write("0.log", entry(1, "one"));
  Loop loop;
  Lane lane("test", 1);
  auto watcher = LogWatcher::create(loop).value();
  bool running = true;
  auto source = makeLogSource(loop, lane, *watcher, LogCursor::open(folder(), 0, {}).value(), folder(), true,
                              [&] { return running; });
  std::string all;
  std::function<void()> next = [&] {
    source->next([&](Result<std::string> piece) {
      ASSERT_TRUE(piece);
      if (piece->empty()) return loop.stop();
      all += *piece;
      if (all == "one\n") write("0.log", entry(2, "two"));
      if (all == "one\ntwo\n") {
        write("0.log", entry(3, "last"));
        running = false;
      }
      loop.post(next);
    });
  };
  loop.post(next);
  const auto limit = loop.after(std::chrono::seconds(20), [&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(all, "one\ntwo\nlast\n");
}

}  // namespace
}  // namespace keelson::kubelet::server
