#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernel/cgroup.h"

namespace keelson::kernel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(CgroupHierarchies, SeesAHostWithV2Only) {
  const auto found = CgroupHierarchies::fromMountinfo(
      "22 1 0:20 / /proc rw shared:5 - proc proc rw\n"
      "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 "
      "rw,nsdelegate,memory_recursiveprot\n");
  ASSERT_TRUE(found.ok()) << found.error().text;
  EXPECT_EQ(found->mode, CgroupMode::kV2);
  ASSERT_EQ(found->mounts.size(), 1u);
  EXPECT_TRUE(found->mounts[0].unified);
  EXPECT_EQ(found->mounts[0].path, "/sys/fs/cgroup");
  EXPECT_THAT(found->mounts[0].controllers, IsEmpty());
}

TEST(CgroupHierarchies, SeesAHybridHostAndLeavesOutNamedAndUnusedHierarchies) {
  const auto found = CgroupHierarchies::fromMountinfo(
      "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
      "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
      "34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"
      "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
      "36 31 0:39 / /sys/fs/cgroup/net_cls rw,relatime - cgroup cgroup rw,net_cls,net_prio\n"
      "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n");
  ASSERT_TRUE(found.ok()) << found.error().text;
  EXPECT_EQ(found->mode, CgroupMode::kHybrid);
  ASSERT_EQ(found->mounts.size(), 4u);
  EXPECT_THAT(found->mounts[0].controllers, ElementsAre("cpu", "cpuacct"));
  EXPECT_EQ(found->mounts[0].path, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_THAT(found->mounts[1].controllers, ElementsAre("cpuset"));
  EXPECT_THAT(found->mounts[2].controllers, ElementsAre("memory"));
  EXPECT_TRUE(found->mounts[3].unified);
}

TEST(CgroupHierarchies, SeesAHostWithV1Only) {
  const auto found = CgroupHierarchies::fromMountinfo(
      "32 31 0:29 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
      "33 31 0:30 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n");
  ASSERT_TRUE(found.ok()) << found.error().text;
  EXPECT_EQ(found->mode, CgroupMode::kV1);
  EXPECT_EQ(found->mounts.size(), 2u);
}

TEST(CgroupHierarchies, ANamedV1HierarchyBesideV2IsNotHybrid) {
  const auto found = CgroupHierarchies::fromMountinfo(
      "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
      "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n");
  ASSERT_TRUE(found.ok()) << found.error().text;
  EXPECT_EQ(found->mode, CgroupMode::kV2);
}

TEST(CgroupHierarchies, TakesTheFirstMountOfAHierarchyOnly) {
  const auto found = CgroupHierarchies::fromMountinfo(
      "32 31 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
      "90 31 0:29 / /srv/jail/sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
      "91 31 0:38 / /srv/jail/unified rw - cgroup2 cgroup2 rw\n");
  ASSERT_TRUE(found.ok()) << found.error().text;
  ASSERT_EQ(found->mounts.size(), 2u);
  EXPECT_EQ(found->mounts[0].path, "/sys/fs/cgroup/memory");
  EXPECT_EQ(found->mounts[1].path, "/sys/fs/cgroup/unified");
}

TEST(CgroupHierarchies, RefusesAHostWithoutCgroups) {
  const auto found = CgroupHierarchies::fromMountinfo("22 1 0:20 / /proc rw - proc proc rw\n");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, Code::kUnsupported);
}

}  // namespace
}  // namespace keelson::kernel
