#include "runtime/container_root.h"

#include <gtest/gtest.h>

#include "tests/fakes/temp_dir.h"

namespace keelson::runtime {
namespace {

TEST(CleanTarget, HasOneSpellingForEachPlace) {
  const struct {
    const char *path, *clean;
  } cases[] = {{"/data", "/data"},
               {"/data/", "/data"},
               {"//data//x", "/data/x"},
               {"/./data/.", "/data"},
               {"/", ""},
               {"", ""},
               {"/..", ""},
               {"/a/../b", ""},
               {"/a..b", "/a..b"},
               {"/...", "/..."}};
  for (const auto& c : cases) EXPECT_EQ(cleanTarget(c.path), c.clean) << c.path;
}

TEST(IsSystemTarget, IsTheKernelsPlacesAndWhatLiesInThem) {
  for (const char* target : {"/proc", "/sys", "/dev", "/proc/sys/net", "/sys/fs/cgroup", "/dev/shm"})
    EXPECT_TRUE(isSystemTarget(target)) << target;
  for (const char* target : {"", "/data", "/process", "/system", "/device/x", "/data/proc", "/srv/dev"})
    EXPECT_FALSE(isSystemTarget(target)) << target;
}

TEST(ContainerFolder, IsMadeOnceAndRemovedWithAll) {
  TempDir state;
  const ContainerId id(std::string(64, 'a'));
  ASSERT_TRUE(createContainerFolder(state.path(), id));
  EXPECT_EQ(createContainerFolder(state.path(), id).error().code, Code::kAlreadyExists);
  EXPECT_EQ(listContainerFolders(state.path()).value(), std::vector<ContainerId>{id});
  EXPECT_TRUE(removeContainerFolder(state.path(), id));
  EXPECT_TRUE(removeContainerFolder(state.path(), id)) << "fine if absent";
  EXPECT_TRUE(listContainerFolders(state.path())->empty());
  EXPECT_EQ(createContainerFolder(state.path(), ContainerId("../x")).error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace keelson::runtime
