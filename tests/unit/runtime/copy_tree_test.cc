#include "runtime/copy_tree.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fakes/temp_dir.h"

namespace keelson::runtime {
namespace {

Stop soon() { return Stop{std::chrono::seconds(20)}; }

TEST(CopyTree, CopiesFilesLinksModesAndTimes) {
  TempDir from, to;
  ASSERT_EQ(::mkdir((from / "d").c_str(), 0750), 0);
  ASSERT_TRUE(writeFileAtomic(from / "d/file", "hello", 0640));
  ASSERT_EQ(::symlink("/etc/passwd", (from / "link").c_str()), 0);
  ASSERT_EQ(::mkfifo((from / "pipe").c_str(), 0600), 0);
  ASSERT_EQ(::chmod(from.path().c_str(), 01770), 0);
  const timespec times[2] = {{1000, 0}, {2000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (from / "d/file").c_str(), times, 0), 0);

  Stop stop = soon();
  const auto copied = copyTree(DirFd::open(from.path()).value(), DirFd::open(to.path()).value(), stop);
  ASSERT_TRUE(copied) << copied.error().text;
  EXPECT_EQ(readFile(to / "d/file", 100).value(), "hello");
  struct stat info {};
  ASSERT_EQ(::stat((to / "d/file").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0640u);
  EXPECT_EQ(info.st_mtim.tv_sec, 2000);
  ASSERT_EQ(::stat((to / "d").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0750u);
  ASSERT_EQ(::stat(to.path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 01770u);
  char target[64] = {};
  ASSERT_GT(::readlink((to / "link").c_str(), target, sizeof target - 1), 0);
  EXPECT_STREQ(target, "/etc/passwd");
  ASSERT_EQ(::lstat((to / "pipe").c_str(), &info), 0);
  EXPECT_TRUE(S_ISFIFO(info.st_mode));
}

TEST(CopyTree, IsBoundedInDepth) {
  TempDir from, to;
  DirFd dir = DirFd::open(from.path()).value();
  for (size_t i = 0; i < kMaxCopyDepth + 2; ++i) dir = dir.ensureDir("d").value();
  Stop stop = soon();
  const auto copied = copyTree(DirFd::open(from.path()).value(), DirFd::open(to.path()).value(), stop);
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().code, Code::kResourceExhausted);
}

}  // namespace
}  // namespace keelson::runtime
