#include "kubelet/stats/tree_usage.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "kubelet/stats/stats.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/temp_dir.h"

namespace keelson::kubelet::stats {
namespace {

namespace fs = std::filesystem;

void put(const std::string& path, size_t bytes) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path) << std::string(bytes, 'x');
}

int64_t blocksOf(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(::lstat(path.c_str(), &info), 0);
  return static_cast<int64_t>(info.st_blocks) * 512;
}

DiskUsage measured(const std::string& path, const TreeLimits& limits = {}) {
  Stop stop;
  const auto dir = DirFd::open(path);
  EXPECT_TRUE(dir.ok());
  return measureTree(*dir, limits, stop);
}

TEST(MeasureTree, CountsBlocksAndInodesOfEverything) {
  const TempDir dir;
  put(dir / "a", 100'000);
  put(dir / "sub/b", 5);
  fs::create_symlink("/etc", dir / "sub/link");
  const DiskUsage usage = measured(dir.path());
  EXPECT_TRUE(usage.complete);
  EXPECT_EQ(usage.inodes, 5u);  // top, a, sub, b, link
  EXPECT_EQ(usage.bytes.value, blocksOf(dir.path()) + blocksOf(dir / "a") + blocksOf(dir / "sub") +
                                   blocksOf(dir / "sub/b") + blocksOf(dir / "sub/link"));
}

TEST(MeasureTree, CountsAFileOfSeveralLinksOnce) {
  const TempDir dir;
  put(dir / "a", 100'000);
  fs::create_hard_link(dir / "a", dir / "b");
  EXPECT_EQ(measured(dir.path()).inodes, 2u);
}

TEST(MeasureTree, CountsHolesAsNothing) {
  const TempDir dir;
  put(dir / "sparse", 1);
  fs::resize_file(dir / "sparse", 1ULL << 30);
  EXPECT_LT(measured(dir.path()).bytes.value, 1 << 20);
}

TEST(MeasureTree, GoesAsDeepAsATreeIsNested) {
  const TempDir dir;
  constexpr int kDepth = 3000;  // deeper than any path can name
  UniqueFd at(::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int i = 0; i < kDepth; ++i) {
    ASSERT_EQ(::mkdirat(at.get(), "deeper", 0755), 0);
    if (i % 500 == 0) {
      UniqueFd(::openat(at.get(), "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
      ASSERT_EQ(::mkdirat(at.get(), "side", 0755), 0);
    }
    at = UniqueFd(::openat(at.get(), "deeper", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(at.valid());
  }
  const DiskUsage usage = measured(dir.path());
  EXPECT_TRUE(usage.complete);
  EXPECT_EQ(usage.inodes, 1u + kDepth + 2 * 6);
  at.reset();
  const auto top = DirFd::open(dir.path());
  ASSERT_TRUE(top.ok());
  EXPECT_TRUE(top->removeTree("deeper").ok());
}

TEST(MeasureTree, SaysWhenALimitEndedIt) {
  const TempDir dir;
  for (int i = 0; i < 20; ++i) put(dir / ("d" + std::to_string(i)) + "/f", 1);
  EXPECT_TRUE(measured(dir.path()).complete);
  EXPECT_FALSE(measured(dir.path(), {.max_entries = 10}).complete);
  EXPECT_FALSE(measured(dir.path(), {.max_pending = 10}).complete);
  EXPECT_GT(measured(dir.path(), {.max_entries = 25}).inodes, 1u);
}

TEST(MeasureTree, EndsAtItsDeadline) {
  const TempDir dir;
  for (int i = 0; i < 600; ++i) put(dir / std::to_string(i), 1);
  Stop stop;
  stop.cancel();
  const auto top = DirFd::open(dir.path());
  EXPECT_FALSE(measureTree(*top, {}, stop).complete);
}

class Cache : public ::testing::Test {
 protected:
  DiskUsage ask(TreeUsageCache::Content content = TreeUsageCache::Content::kChanging) {
    Stop stop;
    auto usage = cache_.measure(dir_.path(), content, stop);
    EXPECT_TRUE(usage.ok());
    return *usage;
  }
  TempDir dir_;
  FakeClock clock_;
  TreeUsageCache cache_{clock_};
};

TEST_F(Cache, WalksAgainOnlyAfterAWhile) {
  EXPECT_EQ(ask().inodes, 1u);
  put(dir_ / "a", 1);
  EXPECT_EQ(ask().inodes, 1u);
  clock_.advance(TreeUsageCache::kMinAge);
  const DiskUsage later = ask();
  EXPECT_EQ(later.inodes, 2u);
  EXPECT_EQ(later.at, clock_.wall());
}

TEST_F(Cache, WalksWhatIsFinalOnce) {
  EXPECT_EQ(ask(TreeUsageCache::Content::kFinal).inodes, 1u);
  put(dir_ / "a", 1);
  clock_.advance(std::chrono::minutes(14));
  EXPECT_EQ(ask(TreeUsageCache::Content::kFinal).inodes, 1u);
}

TEST_F(Cache, ForgetsWhatNobodyAsksFor) {
  ask();
  EXPECT_EQ(cache_.size(), 1u);
  clock_.advance(TreeUsageCache::kForgetAfter + std::chrono::seconds(1));
  Stop stop;
  EXPECT_EQ(cache_.measure(dir_ / "none", TreeUsageCache::Content::kChanging, stop).error().code,
            Code::kNotFound);
  EXPECT_EQ(cache_.size(), 0u);
}

TEST_F(Cache, AnswersFromMemoryWhenThereIsNoTime) {
  ask();
  put(dir_ / "a", 1);
  clock_.advance(std::chrono::minutes(1));
  Stop stop;
  stop.cancel();
  const auto usage = cache_.measure(dir_.path(), TreeUsageCache::Content::kChanging, stop);
  ASSERT_TRUE(usage.ok());
  EXPECT_EQ(usage->inodes, 1u);
}

TEST(PodStats, EphemeralIsTheSumOfAllParts) {
  PodStats pod;
  const WallTime old{std::chrono::hours(1)};
  pod.containers.resize(2);
  pod.containers[0].rootfs = DiskUsage{Bytes{1}, 1, old + std::chrono::hours(1), true};
  pod.containers[0].logs = DiskUsage{Bytes{10}, 1, old, true};
  pod.containers[1].rootfs = DiskUsage{Bytes{100}, 1, old + std::chrono::hours(1), false};
  pod.volumes.push_back({"v", {Bytes{1000}, 1, old + std::chrono::hours(1), true}});
  pod.files = DiskUsage{Bytes{10000}, 1, old + std::chrono::hours(1), true};
  const DiskUsage total = pod.ephemeral();
  EXPECT_EQ(total.bytes.value, 11111);
  EXPECT_EQ(total.inodes, 5u);
  EXPECT_EQ(total.at, old);
  EXPECT_FALSE(total.complete);
  EXPECT_EQ(PodStats{}.ephemeral().bytes.value, 0);
}

TEST(DiskLayout, ComesFromTheDevices) {
  struct Case {
    dev_t nodefs, imagefs, containerfs;
    DiskLayout layout;
  };
  for (const Case& each : {Case{1, 1, 1, {false, false}}, Case{1, 2, 2, {true, false}},
                           Case{1, 2, 1, {true, true}}, Case{1, 2, 3, {true, false}}}) {
    NodeStats node;
    node.nodefs = kernel::FsCapacity{.device = each.nodefs};
    node.imagefs = kernel::FsCapacity{.device = each.imagefs};
    node.containerfs = kernel::FsCapacity{.device = each.containerfs};
    EXPECT_EQ(diskLayout(node), each.layout);
  }
  EXPECT_EQ(diskLayout(NodeStats{}), DiskLayout{});
}

}  // namespace
}  // namespace keelson::kubelet::stats
