// Detached mounts and overlays on the real kernel, with the fallbacks of older ones.
#include "kernel/mount.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "kernel/features.h"
#include "kernel/fs_context.h"
#include "kernel/mountinfo.h"
#include "tests/root/fixture.h"

namespace keelson::kernel {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

size_t mountCount() {
  auto mounts = ownMountinfo();
  EXPECT_TRUE(mounts.ok());
  return mounts ? mounts->size() : 0;
}

UniqueFd openPath(const std::string& path) { return UniqueFd(open(path.c_str(), O_PATH | O_CLOEXEC)); }

UniqueFd makeDir(const std::string& path) {
  fs::create_directories(path);
  return openPath(path);
}

std::string readAt(int directory, const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(fmt::format("/proc/self/fd/{}/{}", directory, path)).rdbuf();
  return text.str();
}

ROOT_TEST(Mount, IsDetachedUntilAttached) {
  const size_t before = mountCount();
  auto mount =
      Mount::create("tmpfs", {{"source", "probe"}, {"size", "1m"}, {"mode", "0700"}}, MOUNT_ATTR_NOEXEC);
  ASSERT_TRUE(mount.ok()) << mount.error().text;
  EXPECT_EQ(mountCount(), before);
  struct stat status {};
  ASSERT_EQ(fstat(mount->get(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700u);

  const UniqueFd target = makeDir(world.scratch + "/here");
  auto attached = mount->attach(target.get());
  ASSERT_TRUE(attached.ok()) << attached.error().text;
  const auto mounts = ownMountinfo();
  ASSERT_TRUE(mounts.ok());
  EXPECT_EQ(mounts->back().mount_point, world.scratch + "/here");
  EXPECT_EQ(mounts->back().source, "probe");
  EXPECT_THAT(mounts->back().options, HasSubstr("noexec"));
}

ROOT_TEST(Mount, ErrorsCarryTheKernelsMessage) {
  auto mount = Mount::create("tmpfs", {{"no_such_option", "1"}});
  ASSERT_FALSE(mount.ok());
  EXPECT_EQ(mount.error().sys, EINVAL);
  EXPECT_THAT(mount.error().text, HasSubstr("mount tmpfs: option no_such_option=1: kernel says \""));
  EXPECT_THAT(mount.error().text, HasSubstr("Unknown parameter 'no_such_option'"));
  EXPECT_EQ(Mount::create("nosuchfs", {}).error().code, Code::kNotFound);
}

ROOT_TEST(Mount, ClonesATreeWithOrWithoutWhatIsMountedBelow) {
  const UniqueFd top = makeDir(world.scratch + "/top");
  ASSERT_EQ(mount("tmpfs", (world.scratch + "/top").c_str(), "tmpfs", 0, nullptr), 0);
  makeDir(world.scratch + "/top/sub");
  ASSERT_EQ(mount("tmpfs", (world.scratch + "/top/sub").c_str(), "tmpfs", 0, nullptr), 0);
  std::ofstream(world.scratch + "/top/sub/file") << "below";
  const UniqueFd mounted = openPath(world.scratch + "/top");
  auto deep = Mount::clone(mounted.get(), true);
  auto flat = Mount::clone(mounted.get(), false);
  ASSERT_TRUE(deep.ok() && flat.ok());
  EXPECT_EQ(readAt(deep->get(), "sub/file"), "below");
  EXPECT_EQ(readAt(flat->get(), "sub/file"), "");
}

ROOT_TEST(Mount, ReadOnlyMayReachWhatIsMountedBelow) {
  fs::create_directories(world.scratch + "/top/sub");
  ASSERT_EQ(mount("tmpfs", (world.scratch + "/top").c_str(), "tmpfs", 0, nullptr), 0);
  makeDir(world.scratch + "/top/sub");
  ASSERT_EQ(mount("tmpfs", (world.scratch + "/top/sub").c_str(), "tmpfs", 0, nullptr), 0);
  const UniqueFd top = openPath(world.scratch + "/top");
  for (const bool recursive : {false, true}) {
    auto clone = Mount::clone(top.get(), true);
    ASSERT_TRUE(clone.ok());
    auto set = clone->setAttributes(MOUNT_ATTR_RDONLY, 0, recursive);
    ASSERT_TRUE(set.ok()) << set.error().text;
    EXPECT_EQ(mkdirat(clone->get(), "x", 0755), -1);
    EXPECT_EQ(errno, EROFS);
    EXPECT_EQ(mkdirat(clone->get(), "sub/x", 0755) == 0, !recursive);
  }
  EXPECT_EQ(mkdir((world.scratch + "/top/y").c_str(), 0755), 0) << "the original stays writable";
}

ROOT_TEST(Mount, PropagationIsSetBeforeAttaching) {
  const UniqueFd target = makeDir(world.scratch + "/shared");
  auto mount = Mount::create("tmpfs", {});
  ASSERT_TRUE(mount.ok());
  auto set = mount->setPropagation(MS_SHARED, true);
  ASSERT_TRUE(set.ok()) << set.error().text;
  ASSERT_TRUE(mount->attach(target.get()).ok());
  EXPECT_THAT(ownMountinfo()->back().propagation, HasSubstr("shared:"));
}

ROOT_TEST(Mount, AttachesAFileOntoAFile) {
  std::ofstream(world.scratch + "/source") << "new";
  std::ofstream(world.scratch + "/target") << "old";
  const UniqueFd source = openPath(world.scratch + "/source"), target = openPath(world.scratch + "/target");
  auto mount = Mount::clone(source.get(), false);
  ASSERT_TRUE(mount.ok()) << mount.error().text;
  auto attached = mount->attach(target.get());
  ASSERT_TRUE(attached.ok()) << attached.error().text;
  std::ostringstream text;
  text << std::ifstream(world.scratch + "/target").rdbuf();
  EXPECT_EQ(text.str(), "new");
}

// `count` layers, top first, each with a file of its own and one ("who") that they all have.
std::vector<UniqueFd> makeLayers(const std::string& scratch, int count) {
  std::vector<UniqueFd> layers;
  for (int i = 0; i < count; ++i) {
    const std::string path = fmt::format("{}/layer-with-a-long-name-that-counts-{}", scratch, i);
    layers.push_back(makeDir(path));
    std::ofstream(path + "/who") << i;
    std::ofstream(fmt::format("{}/only-{}", path, i)) << i;
  }
  return layers;
}

std::vector<int> numbers(const std::vector<UniqueFd>& fds) {
  std::vector<int> raw;
  for (const UniqueFd& fd : fds) raw.push_back(fd.get());
  return raw;
}

// What createOverlay() must give on every kernel, by every way of handing over `count` layers.
void expectOverlayWorks(const test::RootWorld& world, int count) {
  const std::vector<UniqueFd> layers = makeLayers(world.scratch, count);
  const UniqueFd upper = makeDir(world.scratch + "/upper"), work = makeDir(world.scratch + "/work");
  const size_t mounts = mountCount();
  auto overlay = createOverlay(numbers(layers), upper.get(), work.get());
  ASSERT_TRUE(overlay.ok()) << overlay.error().text;
  EXPECT_EQ(mountCount(), mounts) << "the mount table is untouched";
  EXPECT_EQ(readAt(overlay->get(), "who"), "0") << "the first layer is the top one";
  for (const int i : {0, count / 2, count - 1}) {
    EXPECT_EQ(readAt(overlay->get(), fmt::format("only-{}", i)), fmt::format("{}", i));
  }
  std::ofstream(fmt::format("/proc/self/fd/{}/made", overlay->get())) << "here";
  EXPECT_TRUE(fs::exists(world.scratch + "/upper/made"));

  const UniqueFd target = makeDir(world.scratch + "/root");
  auto attached = overlay->attach(target.get());
  ASSERT_TRUE(attached.ok()) << attached.error().text;
  const auto entry = ownMountinfo()->back();
  EXPECT_EQ(entry.filesystem, "overlay");
  EXPECT_THAT(entry.super_options, HasSubstr("volatile"));

  auto read_only = createOverlay(numbers(layers), -1, -1);
  ASSERT_TRUE(read_only.ok()) << read_only.error().text;
  EXPECT_EQ(readAt(read_only->get(), "who"), "0");
  EXPECT_EQ(mkdirat(read_only->get(), "x", 0755), -1);
  EXPECT_EQ(errno, EROFS);
}

ROOT_TEST(Overlay, WorksAsThisKernelLikesIt) { expectOverlayWorks(world, 40); }

ROOT_TEST(Overlay, WorksWithPathsForKernelsWithoutLayerDescriptors) {
  if (!features().overlay_append_layers) GTEST_SKIP() << "this kernel has no lowerdir+ (6.7)";
  const FeatureOverride older({.overlay_append_layers = true, .overlay_layers_by_fd = false});
  expectOverlayWorks(world, 40);
}

ROOT_TEST(Overlay, WorksWithOneStringForKernelsWithoutAppend) {
  const FeatureOverride older({});
  expectOverlayWorks(world, 40);
}

ROOT_TEST(Overlay, WorksThroughMountCallWhenTheStringIsTooLong) {
  const FeatureOverride older({});
  expectOverlayWorks(world, 120);
}

ROOT_TEST(Overlay, OfOneLayerReadOnlyIsThatLayer) {
  const std::vector<UniqueFd> layers = makeLayers(world.scratch, 1);
  auto overlay = createOverlay(numbers(layers), -1, -1);
  ASSERT_TRUE(overlay.ok()) << overlay.error().text;
  EXPECT_EQ(readAt(overlay->get(), "who"), "0");
  EXPECT_EQ(mkdirat(overlay->get(), "x", 0755), -1);
  EXPECT_EQ(errno, EROFS);
}

ROOT_TEST(Overlay, RefusesNoLayersAndTooMany) {
  EXPECT_EQ(createOverlay({}, -1, -1).error().code, Code::kInvalidArgument);
  EXPECT_EQ(createOverlay(std::vector<int>(501, 0), -1, -1).error().code, Code::kResourceExhausted);
}

ROOT_TEST(Overlay, RefusesAWorkDirectoryInsideOfTheUpperOne) {
  const std::vector<UniqueFd> layers = makeLayers(world.scratch, 2);
  const UniqueFd upper = makeDir(world.scratch + "/upper"), inside = makeDir(world.scratch + "/upper/work");
  auto overlay = createOverlay(numbers(layers), upper.get(), inside.get());
  ASSERT_FALSE(overlay.ok());
  EXPECT_EQ(overlay.error().code, Code::kInvalidArgument);
  EXPECT_THAT(overlay.error().text, HasSubstr("mount overlay: create: EINVAL"));
}

ROOT_TEST(Overlay, WantsAFreshWorkDirectoryForEachMount) {
  const std::vector<UniqueFd> layers = makeLayers(world.scratch, 2);
  const UniqueFd upper = makeDir(world.scratch + "/upper"), work = makeDir(world.scratch + "/work");
  ASSERT_TRUE(createOverlay(numbers(layers), upper.get(), work.get()).ok());
  EXPECT_FALSE(createOverlay(numbers(layers), upper.get(), work.get()).ok());
}

TEST(KernelFloor, ThisKernelReachesIt) {
  auto checked = checkKernelFloor();
  EXPECT_TRUE(checked.ok()) << checked.error().text;
}

}  // namespace
}  // namespace keelson::kernel
