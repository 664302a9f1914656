// removeTree against trees that a container may have left.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/fs.h"
#include "tests/fakes/temp_dir.h"

namespace keelson {
namespace {

namespace stdfs = std::filesystem;

void put(const std::string& path) { std::ofstream(path) << "x"; }

size_t openDescriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : stdfs::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

class RemoveTree : public ::testing::Test {
 protected:
  TempDir tmp_;
  DirFd dir_ = DirFd::open(tmp_.path()).value();
};

TEST_F(RemoveTree, RemovesFilesDirectoriesAndSpecialFiles) {
  stdfs::create_directories(tmp_ / "t/a/b/c");
  for (int i = 0; i < 500; ++i) put(tmp_ / ("t/a/file" + std::to_string(i)));
  ASSERT_EQ(::mkfifo((tmp_ / "t/fifo").c_str(), 0600), 0);
  stdfs::permissions(tmp_ / "t/a/b", stdfs::perms::owner_read | stdfs::perms::owner_exec);
  const size_t before = openDescriptors();
  EXPECT_TRUE(dir_.removeTree("t").ok());
  EXPECT_FALSE(stdfs::exists(tmp_ / "t"));
  EXPECT_EQ(openDescriptors(), before);
}

TEST_F(RemoveTree, IsFineIfAbsentAndTakesASingleFileToo) {
  EXPECT_TRUE(dir_.removeTree("none").ok());
  put(tmp_ / "file");
  EXPECT_TRUE(dir_.removeTree("file").ok());
  EXPECT_FALSE(stdfs::exists(tmp_ / "file"));
}

TEST_F(RemoveTree, RefusesNamesThatLeaveTheDirectory) {
  for (const char* name : {"", ".", "..", "a/b", "/etc"}) EXPECT_FALSE(dir_.removeTree(name).ok()) << name;
}

TEST_F(RemoveTree, DoesNotFollowLinks) {
  stdfs::create_directories(tmp_ / "outside");
  put(tmp_ / "outside/kept");
  stdfs::create_directories(tmp_ / "t/sub");
  stdfs::create_directory_symlink(tmp_ / "outside", tmp_ / "t/link");
  stdfs::create_directory_symlink("../../outside", tmp_ / "t/sub/link");
  EXPECT_TRUE(dir_.removeTree("t").ok());
  EXPECT_FALSE(stdfs::exists(tmp_ / "t"));
  EXPECT_TRUE(stdfs::exists(tmp_ / "outside/kept"));
  stdfs::create_directory_symlink("outside", tmp_ / "top");
  EXPECT_TRUE(dir_.removeTree("top").ok());
  EXPECT_FALSE(stdfs::is_symlink(tmp_ / "top"));
  EXPECT_TRUE(stdfs::exists(tmp_ / "outside/kept"));
}

TEST_F(RemoveTree, RemovesATreeDeeperThanPathsAndDescriptorsReach) {
  DirFd at = dir_.ensureDir("t").value();
  for (int depth = 0; depth < 5'000; ++depth) {
    ASSERT_TRUE(at.openBeneath("f", O_CREAT | O_WRONLY, 0600).ok());
    at = at.ensureDir("d").value();
  }
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{200, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const Result<void> removed = dir_.removeTree("t");
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(removed.ok()) << removed.error().text;
  EXPECT_TRUE(dir_.list().value().empty());
}

TEST_F(RemoveTree, RemovesWideBranchesBelowTheDepthLimit) {
  for (const char* branch : {"x", "y"}) {
    DirFd at = dir_.ensureDir("t").value().ensureDir(branch).value();
    for (int depth = 0; depth < 200; ++depth) {
      for (const char* name : {"p", "q"}) ASSERT_TRUE(at.ensureDir(name).ok());
      at = at.ensureDir("d").value();
    }
  }
  EXPECT_TRUE(dir_.removeTree("t").ok());
  EXPECT_TRUE(dir_.list().value().empty());
}

// Runs `body` on a thread with a mount namespace of its own, which ends with it.
template <class Body>
void inOwnMountNamespace(const Body& body) {
  bool allowed = true;
  std::thread([&] {
    allowed =
        ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    if (allowed) body();
  }).join();
  if (!allowed) GTEST_SKIP() << "needs the right to make a mount namespace (root)";
}

TEST_F(RemoveTree, LeavesMountPointsAndReportsThem) {
  stdfs::create_directories(tmp_ / "t/volume");
  stdfs::create_directories(tmp_ / "t/zsub");
  put(tmp_ / "t/other");
  put(tmp_ / "t/zsub/file");
  inOwnMountNamespace([&] {
    const DirFd here = DirFd::open(tmp_.path()).value();
    ASSERT_EQ(::mount("tmpfs", (tmp_ / "t/volume").c_str(), "tmpfs", 0, nullptr), 0);
    put(tmp_ / "t/volume/precious");
    const Result<void> removed = here.removeTree("t");
    ASSERT_FALSE(removed.ok());
    EXPECT_EQ(removed.error().code, Code::kFailedPrecondition);
    EXPECT_EQ(removed.error().text, "remove tree t: volume is a mount point and was left");
    EXPECT_TRUE(stdfs::exists(tmp_ / "t/volume/precious"));
    EXPECT_FALSE(stdfs::exists(tmp_ / "t/other")) << "the rest goes all the same";
    EXPECT_FALSE(stdfs::exists(tmp_ / "t/zsub"));
    EXPECT_FALSE(here.openDir("t").value().removeTree("volume").ok());
    EXPECT_TRUE(stdfs::exists(tmp_ / "t/volume/precious"));
  });
}

TEST_F(RemoveTree, StopsAtBindMountsOfTheSameFileSystem) {
  stdfs::create_directories(tmp_ / "outside");
  put(tmp_ / "outside/kept");
  put(tmp_ / "outside/file");
  stdfs::create_directories(tmp_ / "t/bind");
  put(tmp_ / "t/filebind");
  inOwnMountNamespace([&] {
    const DirFd here = DirFd::open(tmp_.path()).value();
    ASSERT_EQ(::mount((tmp_ / "outside").c_str(), (tmp_ / "t/bind").c_str(), nullptr, MS_BIND, nullptr), 0);
    ASSERT_EQ(
        ::mount((tmp_ / "outside/file").c_str(), (tmp_ / "t/filebind").c_str(), nullptr, MS_BIND, nullptr),
        0);
    const Result<void> removed = here.removeTree("t");
    ASSERT_FALSE(removed.ok());
    EXPECT_NE(removed.error().text.find("bind is a mount point"), std::string::npos) << removed.error().text;
    EXPECT_NE(removed.error().text.find("remove filebind: EBUSY"), std::string::npos) << removed.error().text;
  });
  EXPECT_TRUE(stdfs::exists(tmp_ / "outside/kept"));
  EXPECT_TRUE(dir_.removeTree("t").ok()) << "without the mounts it goes";
}

TEST_F(RemoveTree, NamesAFewFailuresAndCountsTheRest) {
  stdfs::create_directories(tmp_ / "t");
  inOwnMountNamespace([&] {
    const DirFd here = DirFd::open(tmp_.path()).value();
    for (int i = 0; i < 20; ++i) {
      const std::string place = tmp_ / ("t/m" + std::to_string(i));
      stdfs::create_directories(place);
      ASSERT_EQ(::mount("tmpfs", place.c_str(), "tmpfs", 0, nullptr), 0);
    }
    const Result<void> removed = here.removeTree("t");
    ASSERT_FALSE(removed.ok());
    EXPECT_NE(removed.error().text.find("12 more entries of t are left"), std::string::npos)
        << removed.error().text;
  });
}

}  // namespace
}  // namespace keelson
