// The worlds that root tests run in, and the snapshot that proves they leave nothing.
#include "tests/root/fixture.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <fstream>

#include "base/fs.h"
#include "tests/root/machine_snapshot.h"

namespace keelson::test {
namespace {

using ::testing::HasSubstr;

ROOT_TEST(World, IsPidOneWithOnlyLoopbackAndATmpfs) {
  EXPECT_EQ(getpid(), 1);
  struct if_nameindex* links = if_nameindex();
  ASSERT_NE(links, nullptr);
  EXPECT_STREQ(links[0].if_name, "lo");
  EXPECT_EQ(links[1].if_name, nullptr);
  if_freenameindex(links);
  struct statfs scratch {};
  ASSERT_EQ(statfs(world.scratch.c_str(), &scratch), 0);
  EXPECT_EQ(scratch.f_type, TMPFS_MAGIC);
}

ROOT_TEST(World, RunsInItsOwnCgroupOfEachHierarchy) {
  auto cgroup = kernel::Cgroup::open(world.hierarchies, world.cgroup);
  ASSERT_TRUE(cgroup.ok()) << cgroup.error().text;
  const auto own = readFile("/proc/self/cgroup", 65536);
  ASSERT_TRUE(own.ok());
  for (const kernel::CgroupMount& mount : world.hierarchies.mounts) {
    const std::string where =
        (mount.unified ? "::" : mount.controllers.front() + ":") + ("/" + world.cgroup + "/self");
    EXPECT_THAT(own.value(), HasSubstr(where));
  }
}

ROOT_TEST(Snapshot, OfAnUnchangedWorldHasNoDifference) {
  const auto before = MachineSnapshot::take({{world.cgroup}, {world.scratch}});
  const auto after = MachineSnapshot::take({{world.cgroup}, {world.scratch}});
  ASSERT_TRUE(before.ok() && after.ok());
  EXPECT_EQ(before->difference(after.value()), "");
}

ROOT_TEST(Snapshot, NamesEveryKindOfThingLeftBehind) {
  const auto before = MachineSnapshot::take({{world.cgroup}, {world.scratch}});
  ASSERT_TRUE(before.ok()) << before.error().text;
  const std::string mount_point = world.scratch + "/mounted";
  ASSERT_EQ(mkdir(mount_point.c_str(), 0755), 0);
  ASSERT_EQ(mount("tmpfs", mount_point.c_str(), "tmpfs", 0, nullptr), 0);
  std::ofstream(world.scratch + "/file") << "x";
  ASSERT_TRUE(kernel::Cgroup::ensure(world.hierarchies, world.cgroup + "/left").ok());
  const pid_t child = fork();
  if (child == 0) {
    while (true) pause();
  }
  ASSERT_GT(child, 0);
  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const auto after = MachineSnapshot::take({{world.cgroup}, {world.scratch}});
  ASSERT_TRUE(after.ok()) << after.error().text;
  const std::string more = before->difference(after.value());
  EXPECT_THAT(more, HasSubstr("+ mount " + mount_point));
  EXPECT_THAT(more, HasSubstr("+ file " + world.scratch + "/file"));
  EXPECT_THAT(more, HasSubstr(world.cgroup + "/left"));
  EXPECT_THAT(more, HasSubstr(fmt::format("+ process {} ", child)));
  EXPECT_THAT(more, HasSubstr(fmt::format("+ descriptor {} /dev/null", fd)));
  EXPECT_THAT(after->difference(before.value()), HasSubstr("- mount " + mount_point));
}

ROOT_TEST(Snapshot, SeesNftRulesAndLinks) {
  const auto before = MachineSnapshot::take({});
  ASSERT_TRUE(before.ok()) << before.error().text;
  if (system("nft add table ip left_behind 2>/dev/null && nft add chain ip left_behind c") != 0) {
    GTEST_SKIP() << "no nft command on this machine";
  }
  const auto after = MachineSnapshot::take({});
  ASSERT_TRUE(after.ok()) << after.error().text;
  EXPECT_THAT(before->difference(after.value()), HasSubstr("table ip left_behind"));
}

}  // namespace
}  // namespace keelson::test
