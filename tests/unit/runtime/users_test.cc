#include "runtime/users.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fakes/temp_dir.h"
#include "tests/unit/runtime/pod_fixture.h"

namespace keelson::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kPasswd[] =
    "root:x:0:0:root:/root:/bin/sh\n"
    "# a comment\n"
    "short:x:5\n"
    "bad:x:abc:def:::\n"
    "huge:x:99999999999:1::/:\n"
    "www:x:33:33:www:/var/www:/bin/false\r\n"
    "app:x:1000:1001::/home/app:/bin/sh\n"
    "twin:x:1000:7::/twin:\n"
    "1234:x:50:50::/numeric:\n"
    "last:x:60:61::/last:";
constexpr char kGroup[] =
    "root:x:0:\n"
    "adm:x:4:www,app\n"
    "staff:x:50:app,www\n"
    "prefix:x:70:application\n"
    "app:x:1001:\n"
    "broken\n";

TEST(ResolveUser, ReadsEveryFormOfUser) {
  const struct {
    const char* user;
    uint32_t uid, gid;
    std::vector<uint32_t> groups;
    const char* home;
  } cases[] = {
      {"", 0, 0, {0}, "/root"},
      {"0", 0, 0, {0}, "/root"},
      {"root", 0, 0, {0}, "/root"},
      {"www", 33, 33, {33, 4, 50}, "/var/www"},
      {"app", 1000, 1001, {1001, 4, 50}, "/home/app"},
      {"1000", 1000, 1001, {1001, 4, 50}, "/home/app"},
      {"01000", 1000, 1001, {1001, 4, 50}, "/home/app"},
      {"1000:7", 1000, 7, {7, 4, 50}, "/home/app"},
      {"app:staff", 1000, 50, {50, 4}, "/home/app"},
      {"4242", 4242, 0, {0}, "/"},
      {"4242:43", 4242, 43, {43}, "/"},
      {"1234", 1234, 0, {0}, "/"},  // a number is never a name
      {"last", 60, 61, {61}, "/last"},
      {"2147483647", 2147483647, 0, {0}, "/"},
  };
  for (const auto& c : cases) {
    UserChoice choice;
    choice.user = c.user;
    const auto resolved = resolveUser(choice, kPasswd, kGroup);
    ASSERT_TRUE(resolved) << c.user << ": " << resolved.error().text;
    EXPECT_EQ(resolved->uid, c.uid) << c.user;
    EXPECT_EQ(resolved->gid, c.gid) << c.user;
    EXPECT_EQ(resolved->groups, c.groups) << c.user;
    EXPECT_EQ(resolved->home, c.home) << c.user;
  }
}

TEST(ResolveUser, NamesWhatIsMissing) {
  const struct {
    const char *user, *text;
  } cases[] = {
      {"nobody", "unable to find user nobody: no matching entries in passwd file"},
      {"bad", "unable to find user bad"},
      {"app:nogroup", "unable to find group nogroup: no matching entries in group file"},
      {"2147483648", "must be in range 0-2147483647"},
      {"1:4294967296", "must be in range 0-2147483647"},
      {"99999999999999999999999", "must be in range"},
      {"-1", "unable to find user -1"},
  };
  for (const auto& c : cases) {
    UserChoice choice;
    choice.user = c.user;
    const auto resolved = resolveUser(choice, kPasswd, kGroup);
    ASSERT_FALSE(resolved) << c.user;
    EXPECT_EQ(resolved.error().code, Code::kInvalidArgument);
    EXPECT_THAT(resolved.error().text, HasSubstr(c.text)) << c.user;
  }
}

TEST(ResolveUser, GroupsOfThePodComeOnTopAndStrictLeavesTheImagesOut) {
  UserChoice choice;
  choice.user = "app";
  choice.run_as_group = 2000;
  choice.supplemental_groups = {3000, 4, 3000};
  EXPECT_THAT(resolveUser(choice, kPasswd, kGroup)->groups, ElementsAre(2000, 4, 50, 3000));
  choice.merge_image_groups = false;
  EXPECT_THAT(resolveUser(choice, kPasswd, kGroup)->groups, ElementsAre(2000, 3000, 4));
}

TEST(ResolveUser, ANumericUserThatIsRootByNameBreaksTheNonRootRule) {
  UserChoice choice;
  choice.must_be_non_root = true;
  choice.user = "toor";
  const auto resolved = resolveUser(choice, "toor:x:0:0::/:\n", "");
  ASSERT_FALSE(resolved);
  EXPECT_EQ(resolved.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(resolved.error().text, HasSubstr("image will run as root"));
}

TEST(ResolveUser, AGroupFileOfManyMembershipsIsBounded) {
  std::string group;
  for (int i = 0; i < 70'000; ++i) group += fmt::format("g{}:x:{}:app\n", i, 10'000 + i);
  UserChoice choice;
  choice.user = "app";
  const auto resolved = resolveUser(choice, kPasswd, group);
  ASSERT_TRUE(resolved);
  EXPECT_LE(resolved->groups.size(), kMaxGroups);
}

struct ImageRoot {
  TempDir dir;
  ImageRoot() { EXPECT_EQ(::mkdir((dir / "etc").c_str(), 0755), 0); }
  void put(const std::string& name, std::string_view content) {
    ASSERT_TRUE(writeFileAtomic(dir / name, content, 0644));
  }
  Result<ResolvedUser> resolve(const std::string& user) {
    UserChoice choice;
    choice.user = user;
    return resolveUserIn(DirFd::open(dir.path()).value(), choice);
  }
};

TEST(ResolveUserIn, AnImageWithoutFilesHasNumbersOnly) {
  ImageRoot root;
  EXPECT_EQ(root.resolve("7:8")->gid, 8u);
  EXPECT_EQ(root.resolve("")->uid, 0u);
  EXPECT_FALSE(root.resolve("www"));
}

TEST(ResolveUserIn, FollowsLinksInsideTheRootOnly) {
  ImageRoot root;
  root.put("users", "www:x:33:33::/w:\n");
  ASSERT_EQ(::symlink("/users", (root.dir / "etc/passwd").c_str()), 0);
  EXPECT_EQ(root.resolve("www")->uid, 33u);
  ASSERT_EQ(::symlink("../../../../../../etc/group", (root.dir / "etc/group").c_str()), 0);
  EXPECT_FALSE(root.resolve("www:root")) << "the host's /etc/group was read";
}

TEST(ResolveUserIn, HostileFilesAreErrorsNotHangs) {
  ImageRoot root;
  ASSERT_EQ(::mkfifo((root.dir / "etc/passwd").c_str(), 0644), 0);
  EXPECT_EQ(root.resolve("www").error().code, Code::kInvalidArgument);
  ASSERT_EQ(::unlink((root.dir / "etc/passwd").c_str()), 0);
  root.put("etc/passwd", std::string(kMaxUserFileBytes + 1, 'x'));
  EXPECT_EQ(root.resolve("www").error().code, Code::kInvalidArgument);
  ASSERT_EQ(::unlink((root.dir / "etc/passwd").c_str()), 0);
  ASSERT_EQ(::mkdir((root.dir / "etc/passwd").c_str(), 0755), 0);
  EXPECT_EQ(root.resolve("www").error().code, Code::kInvalidArgument);
}

TEST(ChooseUser, ContainerWinsOverPodWinsOverImage) {
  ImageConfig image;
  image.user = "www:adm";
  auto pod = podOf({container("web")});
  auto& web = pod.spec.containers[0];
  EXPECT_EQ(chooseUser(pod, web, image)->user, "www:adm");
  pod.spec.security_context.run_as_user = 10;
  pod.spec.security_context.run_as_group = 11;
  EXPECT_EQ(chooseUser(pod, web, image)->user, "10");
  EXPECT_EQ(chooseUser(pod, web, image)->run_as_group, 11);
  web.security_context.emplace();
  web.security_context->run_as_user = 20;
  EXPECT_EQ(chooseUser(pod, web, image)->user, "20");
  pod.spec.security_context.fs_group = 5;
  pod.spec.security_context.supplemental_groups = {6, 7};
  pod.spec.security_context.supplemental_groups_policy = "Strict";
  EXPECT_THAT(chooseUser(pod, web, image)->supplemental_groups, ElementsAre(5, 6, 7));
  EXPECT_FALSE(chooseUser(pod, web, image)->merge_image_groups);
}

TEST(ChooseUser, RunAsNonRootFailsInKubeletsWords) {
  const struct {
    const char* what;
    std::optional<int64_t> run_as_user;
    const char* image_user;
    const char* text;  // "" is accepted
  } cases[] = {
      {"runAsUser 0", 0, "",
       "container's runAsUser breaks non-root policy (pod: \"web_default(u1)\", container: web)"},
      {"runAsUser 5", 5, "", ""},
      {"no user at all", {}, "", "container has runAsNonRoot and image will run as root (pod: "},
      {"image root by number", {}, "0:0", "container has runAsNonRoot and image will run as root (pod: "},
      {"image by number", {}, "33", ""},
      {"image by name",
       {},
       "www",
       "container has runAsNonRoot and image has non-numeric user (www), cannot verify user is non-root "
       "(pod: "},
  };
  for (const auto& c : cases) {
    auto pod = podOf({container("web")});
    pod.spec.security_context.run_as_non_root = true;
    pod.spec.security_context.run_as_user = c.run_as_user;
    ImageConfig image;
    image.user = c.image_user;
    const auto choice = chooseUser(pod, pod.spec.containers[0], image);
    EXPECT_EQ(choice.ok(), std::string(c.text).empty()) << c.what;
    if (!choice) {
      EXPECT_EQ(choice.error().code, Code::kFailedPrecondition);
      EXPECT_THAT(choice.error().text, HasSubstr(c.text)) << c.what;
    }
  }
  auto pod = podOf({container("web")});
  pod.spec.security_context.run_as_non_root = true;
  pod.spec.containers[0].security_context.emplace();
  pod.spec.containers[0].security_context->run_as_non_root = false;
  EXPECT_TRUE(chooseUser(pod, pod.spec.containers[0], {})) << "the container's own false wins";
}

}  // namespace
}  // namespace keelson::runtime
