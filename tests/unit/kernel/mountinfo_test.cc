#include "kernel/mountinfo.h"

#include <gtest/gtest.h>

namespace keelson::kernel {
namespace {

TEST(Mountinfo, ReadsEveryFieldOfALine) {
  const auto entries = parseMountinfo(
      "36 35 98:0 /mnt1 /mnt2 rw,noatime shared:1 master:2 - ext3 /dev/root rw,errors=continue\n");
  ASSERT_TRUE(entries.ok()) << entries.error().text;
  ASSERT_EQ(entries->size(), 1u);
  const MountinfoEntry& entry = entries->front();
  EXPECT_EQ(entry.id, 36);
  EXPECT_EQ(entry.parent, 35);
  EXPECT_EQ(entry.root, "/mnt1");
  EXPECT_EQ(entry.mount_point, "/mnt2");
  EXPECT_EQ(entry.options, "rw,noatime");
  EXPECT_EQ(entry.propagation, "shared:1 master:2");
  EXPECT_EQ(entry.filesystem, "ext3");
  EXPECT_EQ(entry.source, "/dev/root");
  EXPECT_EQ(entry.super_options, "rw,errors=continue");
}

TEST(Mountinfo, ResolvesOctalEscapes) {
  const auto entries = parseMountinfo("1 0 0:1 / /a\\040b\\134c rw - tmpfs t\\011t rw\n");
  ASSERT_TRUE(entries.ok()) << entries.error().text;
  EXPECT_EQ(entries->front().mount_point, "/a b\\c");
  EXPECT_EQ(entries->front().source, "t\tt");
  EXPECT_EQ(entries->front().propagation, "");
}

TEST(Mountinfo, KeepsFieldsApartWhenTheSourceIsEmpty) {
  const auto entries = parseMountinfo("1 0 0:1 / /x rw - tmpfs  rw,size=4k\n");
  ASSERT_TRUE(entries.ok()) << entries.error().text;
  EXPECT_EQ(entries->front().source, "");
  EXPECT_EQ(entries->front().super_options, "rw,size=4k");
}

TEST(Mountinfo, RefusesWhatIsNotMountinfo) {
  for (const char* text :
       {"hello\n", "1 x 0:1 / /x rw - tmpfs t rw\n", "1 0 0:1 / /x rw shared:1 tmpfs t rw\n"}) {
    const auto entries = parseMountinfo(text);
    ASSERT_FALSE(entries.ok()) << text;
    EXPECT_EQ(entries.error().code, Code::kDataLoss);
  }
}

TEST(Mountinfo, ReadsThisProcessesOwn) {
  const auto entries = ownMountinfo();
  ASSERT_TRUE(entries.ok()) << entries.error().text;
  EXPECT_FALSE(entries->empty());
}

}  // namespace
}  // namespace keelson::kernel
