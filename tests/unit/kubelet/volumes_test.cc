#include "kubelet/volumes.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/fakes/temp_dir.h"
#include "tests/unit/kubelet/pods.h"

namespace keelson::kubelet {
namespace {

namespace fs = std::filesystem;

api::VolumeMount mountOf(const std::string& sub_path, const std::string& expression = "") {
  api::VolumeMount mount;
  mount.sub_path = sub_path;
  mount.sub_path_expr = expression;
  return mount;
}

TEST(MountSubPath, RefusesToLeaveTheVolume) {
  EXPECT_EQ(*mountSubPath(mountOf("a/b"), {}), "a/b");
  EXPECT_EQ(*mountSubPath(mountOf("a/..b"), {}), "a/..b");
  for (const char* bad : {"/etc", "..", "a/../..", "a/.."})
    EXPECT_FALSE(mountSubPath(mountOf(bad), {})) << bad;
}

TEST(MountSubPath, ExpandsItsExpression) {
  const Env env{{"NAME", "web"}, {"UP", ".."}};
  EXPECT_EQ(*mountSubPath(mountOf("", "logs/$(NAME)"), env), "logs/web");
  EXPECT_FALSE(mountSubPath(mountOf("", "$(NONE)"), env));
  EXPECT_FALSE(mountSubPath(mountOf("", "$(UP)/etc"), env));
}

struct SubPaths : testing::Test {
  TempDir temp;
  SubPaths() { fs::create_directories(temp / "volume"); }
  Result<OpenedSubPath> open(const std::string& path) {
    return openSubPath(DirFd::open(temp / "volume").value(), path);
  }
};

TEST_F(SubPaths, MakesMissingDirectoriesWithTheModeAbove) {
  ASSERT_EQ(::chmod((temp / "volume").c_str(), 02777), 0);
  const auto opened = open("a/b");
  ASSERT_TRUE(opened) << opened.error().text;
  EXPECT_TRUE(opened->is_directory);
  struct stat info {};
  ASSERT_EQ(::stat((temp / "volume/a/b").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777u, 02777u);
}

TEST_F(SubPaths, OpensAFile) {
  std::ofstream(temp / "volume/file") << "x";
  const auto opened = open("file");
  ASSERT_TRUE(opened);
  EXPECT_FALSE(opened->is_directory);
  EXPECT_FALSE(open("file/below"));
}

// The exploit of CVE-2017-1002101: a container plants a link in its volume and mounts it by subPath.
TEST_F(SubPaths, LinksDoNotLeadOutOfTheVolume) {
  fs::create_directories(temp / "secret");
  fs::create_symlink(temp / "secret", temp / "volume/absolute");
  fs::create_symlink("../secret", temp / "volume/relative");
  fs::create_symlink("/proc/self/root", temp / "volume/magic");
  for (const char* path : {"absolute/x", "relative/x", "magic/tmp"}) {
    const auto opened = open(path);
    if (opened) {
      const std::string where = fs::read_symlink("/proc/self/fd/" + std::to_string(opened->fd.get()));
      EXPECT_EQ(where.rfind(temp / "volume", 0), 0u) << path << " led to " << where;
    }
  }
  EXPECT_TRUE(fs::is_empty(temp / "secret"));
}

TEST(TmpfsSize, IsTheLeastOfItsLimits) {
  const api::Pod pod = podFrom(R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - {name: web, image: nginx, resources: {limits: {memory: 64Mi}}, volumeMounts: [{name: m, mountPath: /m}]}
  volumes: [{name: m, emptyDir: {medium: Memory, sizeLimit: 16Mi}}]
)");
  EXPECT_EQ(tmpfsSize(pod, *pod.spec.volumes[0].empty_dir, Bytes{int64_t{1} << 30}), 16 << 20);
  EXPECT_EQ(tmpfsSize(pod, {"Memory", {}}, Bytes{int64_t{1} << 30}), 64 << 20);
  EXPECT_EQ(tmpfsSize(onePod(), {"Memory", {}}, Bytes{int64_t{1} << 30}), 1 << 30);
}

TEST(Volumes, NamesKindsThatAreNotServed) {
  const std::pair<const char*, const char*> cases[] = {
      {"nfs: {server: s, path: /}", "nfs"},
      {"emptyDir: {medium: HugePages}", "emptyDir"},
      {"projected: {sources: [{clusterTrustBundle: {path: p}}]}", "projected"},
  };
  for (const auto& [source, kind] : cases) {
    auto manifest =
        api::decodeManifest(std::string("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n"
                                        "  volumes: [{name: v, ") +
                            source + "}]\n");
    ASSERT_TRUE(manifest) << manifest.error().text;
    const auto& volume = std::get<api::Pod>(manifest->objects[0]).spec.volumes[0];
    EXPECT_FALSE(isServed(volume)) << source;
    EXPECT_EQ(volumeKind(volume), kind);
  }
}

TEST(OuterFirst, PutsInnerMountsLast) {
  std::vector<runtime::OwnedMount> mounts(3);
  mounts[0].plan.target = "/etc/hosts";
  mounts[1].plan.target = "/etc";
  mounts[2].plan.target = "/etc/app";
  const auto sorted = outerFirst(std::move(mounts));
  EXPECT_EQ(sorted[0].plan.target, "/etc");
  EXPECT_EQ(sorted[1].plan.target, "/etc/hosts");
  EXPECT_EQ(sorted[2].plan.target, "/etc/app");
}

TEST(PodDirectoryTest, AnEmptyDirIsOpenToAllAndKeepsItsMode) {
  TempDir temp;
  const auto directory = PodDirectory::ensure(temp.path(), PodUid("uid-1"));
  ASSERT_TRUE(directory);
  const auto made = directory->ensureEmptyDir("data", 4711);
  ASSERT_TRUE(made) << made.error().text;
  struct stat info {};
  ASSERT_EQ(::fstat(made->get(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777u, 02777u);
  EXPECT_EQ(info.st_gid, 4711u);
  ASSERT_EQ(::fchmod(made->get(), 0700), 0);
  const auto again = directory->ensureEmptyDir("data", 4711);
  ASSERT_EQ(::fstat(again->get(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777u, 0700u);
}

TEST(PodDirectoryTest, ABrokenRecordIsToldApartFromNone) {
  TempDir temp;
  const auto directory = PodDirectory::ensure(temp.path(), PodUid("uid-1"));
  EXPECT_EQ(directory->readRecord().error().code, Code::kNotFound);
  PodRecord record;
  record.pod_name = "web";
  ASSERT_TRUE(directory->writeRecord(record));
  EXPECT_EQ(*directory->readRecord(), record);
  std::ofstream(temp / "pods/uid-1/keelson/status.json") << "{\"version\":1,";
  EXPECT_EQ(directory->readRecord().error().code, Code::kDataLoss);
}

TEST(PodDirectoryTest, UnsafeUidsNameNoFolder) {
  EXPECT_TRUE(isSafeUid("0123-abc"));
  for (const char* bad : {"", ".", "..", "a/b", ".hidden", "a b"}) EXPECT_FALSE(isSafeUid(bad)) << bad;
}

}  // namespace
}  // namespace keelson::kubelet
