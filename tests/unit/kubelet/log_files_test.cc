#include "kubelet/log_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/fakes/temp_dir.h"
#include "tests/unit/kubelet/pods.h"

namespace keelson::kubelet {
namespace {

namespace fs = std::filesystem;

struct Logs : testing::Test {
  TempDir temp;
  LogFiles logs{temp / "pods", temp / "containers"};
  LogFiles::Owner owner{"default", "web", PodUid("uid-1")};

  void touch(const std::string& path) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << "x";
  }
};

TEST_F(Logs, HaveKubernetesNames) {
  EXPECT_EQ(logs.file(owner, "nginx", 3), temp / "pods/default_web_uid-1/nginx/3.log");
  EXPECT_EQ(LogFiles::linkName(owner, "nginx", ContainerId("abc")), "web_default_nginx-abc.log");
  LogFiles::Owner long_name = owner;
  long_name.name = std::string(253, 'p');
  EXPECT_EQ(LogFiles::linkName(long_name, "nginx", ContainerId("abc")).size(), 255u);
}

TEST_F(Logs, LinksLeadToTheFile) {
  touch(logs.file(owner, "nginx", 0));
  ASSERT_TRUE(logs.ensureLink(owner, "nginx", ContainerId("abc"), 0));
  ASSERT_TRUE(logs.ensureLink(owner, "nginx", ContainerId("abc"), 0));
  EXPECT_EQ(fs::read_symlink(temp / "containers/web_default_nginx-abc.log"), logs.file(owner, "nginx", 0));
}

TEST_F(Logs, AnInstanceGoesWithItsRotatedFiles) {
  touch(logs.file(owner, "nginx", 1));
  touch(logs.file(owner, "nginx", 1) + ".20260101-000000");
  touch(logs.file(owner, "nginx", 11));
  ASSERT_TRUE(logs.ensureLink(owner, "nginx", ContainerId("abc"), 1));
  ASSERT_TRUE(logs.removeInstance(owner, "nginx", ContainerId("abc"), 1));
  EXPECT_FALSE(fs::exists(fs::symlink_status(temp / "containers/web_default_nginx-abc.log")));
  EXPECT_FALSE(fs::exists(logs.file(owner, "nginx", 1)));
  EXPECT_FALSE(fs::exists(logs.file(owner, "nginx", 1) + ".20260101-000000"));
  EXPECT_TRUE(fs::exists(logs.file(owner, "nginx", 11)));
}

TEST_F(Logs, AUidThatEndsLikeAnotherIsAnother) {
  LogFiles::Owner other = owner;
  other.uid = PodUid("other_uid-1");
  touch(logs.file(other, "nginx", 0));
  EXPECT_TRUE(logs.removePod(owner.uid).empty());
  EXPECT_TRUE(fs::exists(logs.file(other, "nginx", 0)));
  EXPECT_TRUE(logs.removePod(other.uid).empty());
  EXPECT_FALSE(fs::exists(logs.file(other, "nginx", 0)));
}

TEST_F(Logs, APodGoesByItsUidAlone) {
  touch(logs.file(owner, "nginx", 0));
  ASSERT_TRUE(logs.ensureLink(owner, "nginx", ContainerId("abc"), 0));
  LogFiles::Owner other = owner;
  other.uid = PodUid("other-uid-11");
  touch(logs.file(other, "nginx", 0));
  ASSERT_TRUE(logs.ensureLink(other, "nginx", ContainerId("def"), 0));
  EXPECT_TRUE(logs.removePod(owner.uid).empty());
  EXPECT_FALSE(fs::exists(temp / "pods/default_web_uid-1"));
  EXPECT_FALSE(fs::exists(fs::symlink_status(temp / "containers/web_default_nginx-abc.log")));
  EXPECT_TRUE(fs::exists(temp / "containers/web_default_nginx-def.log"));
}

TEST_F(Logs, SweepsOnlyItsOwnDeadLinks) {
  fs::create_directories(temp / "containers");
  fs::create_symlink(temp / "pods/gone/0.log", temp / "containers/ours.log");
  fs::create_symlink("/nowhere/else", temp / "containers/foreign.log");
  EXPECT_TRUE(logs.removeDeadLinks().empty());
  EXPECT_FALSE(fs::exists(fs::symlink_status(temp / "containers/ours.log")));
  EXPECT_TRUE(fs::exists(fs::symlink_status(temp / "containers/foreign.log")));
}

TEST_F(Logs, TellTheNextAttempt) {
  EXPECT_EQ(logs.nextAttempt(owner, "nginx"), 0u);
  touch(logs.file(owner, "nginx", 4));
  touch(logs.file(owner, "nginx", 2) + ".20260101-000000.gz");
  touch(temp / "pods/default_web_uid-1/nginx/notes.txt");
  EXPECT_EQ(logs.nextAttempt(owner, "nginx"), 5u);
}

}  // namespace
}  // namespace keelson::kubelet
