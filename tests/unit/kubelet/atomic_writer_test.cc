#include "kubelet/atomic_writer.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/fakes/temp_dir.h"

namespace keelson::kubelet {
namespace {

namespace fs = std::filesystem;

const WallTime kTime{std::chrono::sys_days{std::chrono::year{2026} / 1 / 2}};

struct AtomicWriterTest : testing::Test {
  TempDir temp;
  DirFd volume = DirFd::open(temp.path()).value();
  VolumeOwner owner;

  Result<bool> write(const VolumeFiles& files) { return writeVolumeFiles(volume, files, owner, kTime); }
  std::string read(const std::string& path) const {
    std::ifstream in(temp / path);
    std::stringstream text;
    text << in.rdbuf();
    return in ? text.str() : "absent";
  }
  std::string data() const { return fs::read_symlink(temp / "..data"); }
  mode_t mode(const std::string& path) const {
    struct stat info {};
    return ::stat((temp / path).c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(temp.path())) found.push_back(entry.path().filename());
    std::sort(found.begin(), found.end());
    return found;
  }
};

TEST_F(AtomicWriterTest, LaysFilesOutAsKubernetesDoes) {
  ASSERT_TRUE(*write({{"lives", {"3", 0644, {}}}, {"etc/app/ui", {"good", 0400, {}}}}));
  EXPECT_EQ(read("lives"), "3");
  EXPECT_EQ(read("etc/app/ui"), "good");
  EXPECT_EQ(fs::read_symlink(temp / "lives"), "..data/lives");
  EXPECT_EQ(fs::read_symlink(temp / "etc"), "..data/etc");
  EXPECT_EQ(data().rfind("..2026_01_02_00_00_00.", 0), 0u) << data();
  EXPECT_EQ(mode("lives"), 0644u);
  EXPECT_EQ(mode("etc/app/ui"), 0400u);
  EXPECT_EQ(mode("..data"), 0755u);
  EXPECT_EQ(mode("etc/app"), 0755u);
  EXPECT_EQ(names(), (std::vector<std::string>{data(), "..data", "etc", "lives"}));
  EXPECT_TRUE(hasVolumeFiles(volume));
}

TEST_F(AtomicWriterTest, AnEmptyVolumeIsWrittenToo) {
  EXPECT_FALSE(hasVolumeFiles(volume));
  ASSERT_TRUE(*write({}));
  EXPECT_TRUE(hasVolumeFiles(volume));
  EXPECT_FALSE(*write({}));
}

TEST_F(AtomicWriterTest, UnchangedFilesAreLeftAlone) {
  const VolumeFiles files{{"a", {"1", 0644, {}}}, {"b/c", {"2", 0644, {}}}};
  ASSERT_TRUE(*write(files));
  const std::string before = data();
  EXPECT_FALSE(*write(files));
  EXPECT_EQ(data(), before);
}

TEST_F(AtomicWriterTest, ChangesReplaceTheWholeDirectory) {
  ASSERT_TRUE(*write({{"a", {"1", 0644, {}}}, {"b", {"2", 0644, {}}}}));
  const std::string before = data();
  ASSERT_TRUE(*write({{"a", {"one", 0644, {}}}, {"c", {"3", 0644, {}}}}));
  EXPECT_NE(data(), before);
  EXPECT_EQ(read("a"), "one");
  EXPECT_EQ(read("b"), "absent");
  EXPECT_EQ(names(), (std::vector<std::string>{data(), "..data", "a", "c"}));
}

TEST_F(AtomicWriterTest, AChangedModeIsAChange) {
  ASSERT_TRUE(*write({{"a", {"1", 0644, {}}}}));
  ASSERT_TRUE(*write({{"a", {"1", 0600, {}}}}));
  EXPECT_EQ(mode("a"), 0600u);
}

TEST_F(AtomicWriterTest, GroupAndOwnerGetTheirFiles) {
  owner.group = 4711;
  ASSERT_TRUE(*write({{"d/token", {"t", 0640, 7}}}));
  struct stat info {};
  ASSERT_EQ(::stat((temp / "d/token").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 7u);
  EXPECT_EQ(info.st_gid, 4711u);
  EXPECT_EQ(info.st_mode & 07777u, 0640u);
  EXPECT_EQ(mode("d"), 02755u);
  EXPECT_FALSE(*write({{"d/token", {"t", 0640, 7}}}));
}

// The daemon was killed before the rename, and again between the rename and the links.
TEST_F(AtomicWriterTest, FinishesWhatAnEarlierLifeLeft) {
  const VolumeFiles files{{"a", {"1", 0644, {}}}};
  ASSERT_TRUE(*write(files));
  fs::create_directories(temp / "..2025_01_01_00_00_00.1/x");
  fs::create_symlink("..2025_01_01_00_00_00.1", temp / "..data_tmp");
  fs::remove(temp / "a");
  ASSERT_TRUE(*write(files));
  EXPECT_EQ(names(), (std::vector<std::string>{data(), "..data", "a"}));
  ASSERT_TRUE(*write({{"a", {"2", 0644, {}}}}));
  EXPECT_EQ(read("a"), "2");
}

TEST_F(AtomicWriterTest, AFailedWriteLeavesTheOldFiles) {
  ASSERT_TRUE(*write({{"a", {"1", 0644, {}}}}));
  const auto before = names();
  EXPECT_FALSE(write({{"a", {"2", 0644, {}}}, {"a/b", {"3", 0644, {}}}}));
  EXPECT_EQ(names(), before);
  EXPECT_EQ(read("a"), "1");
}

TEST_F(AtomicWriterTest, LinksDoNotLeadItOut) {
  const TempDir outside;
  fs::create_symlink(outside.path(), temp / "..data");
  ASSERT_TRUE(*write({{"a", {"1", 0644, {}}}}));
  EXPECT_TRUE(fs::is_empty(outside.path()));
  EXPECT_EQ(read("a"), "1");
}

TEST_F(AtomicWriterTest, PathsStayBelowTheVolume) {
  EXPECT_TRUE(checkVolumePath("a/..b"));
  for (const char* bad : {"", "/a", "..", "../a", "a/../b", "..data", "a//b", "a/", "./a", "a/."}) {
    EXPECT_FALSE(checkVolumePath(bad)) << bad;
    EXPECT_FALSE(write({{bad, {"x", 0644, {}}}})) << bad;
  }
}

}  // namespace
}  // namespace keelson::kubelet
