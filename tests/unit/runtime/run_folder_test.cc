#include "runtime/run_folder.h"

#include <gtest/gtest.h>

#include "tests/fakes/temp_dir.h"

namespace keelson::runtime {
namespace {

const std::string kId(64, 'a');

TEST(CheckUid, TakesNamesOfOneFolderOnly) {
  for (const char* uid : {"a", "0123-abcd", "x.y_z"}) EXPECT_TRUE(checkUid(PodUid(uid))) << uid;
  for (const char* uid : {"", ".", "..", ".new-a", "a/b", "../a", "a b", "a\n"})
    EXPECT_FALSE(checkUid(PodUid(uid))) << uid;
  EXPECT_FALSE(checkUid(PodUid(std::string(201, 'a'))));
}

TEST(CheckId, TakesSixtyFourHexDigits) {
  EXPECT_TRUE(checkId(ContainerId(kId)));
  EXPECT_FALSE(checkId(ContainerId(std::string(63, 'a'))));
  EXPECT_FALSE(checkId(ContainerId(std::string(64, 'A'))));
  EXPECT_FALSE(checkId(ContainerId("../" + std::string(61, 'a'))));
}

TEST(RunFolders, ListsThoseThatAreWhole) {
  TempDir run;
  const DirFd pods = ensurePodsFolder(run.path()).value();
  ASSERT_TRUE(pods.ensureDir("u2"));
  ASSERT_TRUE(pods.ensureDir("u1"));
  ASSERT_TRUE(pods.ensureDir(".new-u3-0011"));
  ASSERT_TRUE(pods.writeFileAtomic("file", ""));
  const std::vector<PodUid> want = {PodUid("u1"), PodUid("u2")};
  EXPECT_EQ(listRunFolders(run.path()).value(), want);
  EXPECT_EQ(openRunFolder(run.path(), PodUid("u9")).error().code, Code::kNotFound);
  EXPECT_EQ(openRunFolder(run.path(), PodUid("../pods/u1")).error().code, Code::kInvalidArgument);
}

TEST(RunFolder, KeepsPlansAndExitsByContainer) {
  TempDir run;
  const DirFd folder = DirFd::open(run.path()).value();
  SavedContainer saved;
  saved.id = kId;
  saved.name = "web";
  saved.attempt = 4;
  saved.cgroup = "kubepods/x";
  saved.process.args = {"/bin/sh", "-c", "x"};
  saved.layer_chain_ids = {"sha256:1", "sha256:2"};
  ASSERT_TRUE(writePlan(folder, saved));
  EXPECT_EQ(readPlan(folder, ContainerId(kId))->process.args, saved.process.args);
  EXPECT_EQ(readPlan(folder, ContainerId(kId))->layer_chain_ids, saved.layer_chain_ids);
  ASSERT_EQ(readPlans(folder).size(), 1u);
  EXPECT_EQ(readPlans(folder)[0].attempt, 4u);

  ContainerRecord record;
  record.id = kId;
  record.exit_code = 3;
  ASSERT_TRUE(writeExit(folder, record));
  ASSERT_EQ(readExits(folder).size(), 1u);
  EXPECT_EQ(readExits(folder)[0].exit_code, 3);

  EXPECT_TRUE(removePlan(folder, ContainerId(kId)));
  EXPECT_TRUE(removePlan(folder, ContainerId(kId))) << "fine if absent";
  EXPECT_TRUE(removeExit(folder, ContainerId(kId)));
  EXPECT_TRUE(readExits(folder).empty());
  EXPECT_EQ(readPlan(folder, ContainerId(kId)).error().code, Code::kNotFound);
}

TEST(RunFolder, ABrokenRecordCostsItsOwnContainerOnly) {
  TempDir run;
  const DirFd folder = DirFd::open(run.path()).value();
  SavedContainer saved;
  saved.id = kId;
  ASSERT_TRUE(writePlan(folder, saved));
  const DirFd plans = folder.openDir(kPlansDirectory).value();
  ASSERT_TRUE(plans.writeFileAtomic(std::string(64, 'b'), "garbage"));
  ASSERT_TRUE(
      plans.writeFileAtomic(std::string(64, 'c'), plans.readFile(kId, 4096).value()));  // another's record
  EXPECT_EQ(readPlans(folder).size(), 1u);
  EXPECT_EQ(readPlan(folder, ContainerId(std::string(64, 'c'))).error().code, Code::kDataLoss);
  EXPECT_EQ(listPlans(folder).size(), 3u) << "tear-down sees all";
}

TEST(RunFolder, BelongsToTheBootItSays) {
  TempDir run;
  const DirFd folder = DirFd::open(run.path()).value();
  EXPECT_TRUE(isOfBoot(folder, "now"))
      << "a folder that cannot say is destroyed as a lost one, not forgotten";
  ASSERT_TRUE(folder.writeFileAtomic(kShimPidFile, "1 2 now\n"));
  EXPECT_TRUE(isOfBoot(folder, "now"));
  EXPECT_FALSE(isOfBoot(folder, "later"));
}

}  // namespace
}  // namespace keelson::runtime
