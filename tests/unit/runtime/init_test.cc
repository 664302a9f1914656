// The order of the init's steps, how it words its errors, and how it finds programs and mount targets.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/ids.h"
#include "runtime/init/executable.h"
#include "runtime/init/steps.h"
#include "runtime/init/target_path.h"

namespace keelson::runtime::init {
namespace {

namespace fs = std::filesystem;
using ::testing::StartsWith;

size_t positionOf(std::span<const InitStep> steps, std::string_view name) {
  const auto found =
      std::find_if(steps.begin(), steps.end(), [&](const InitStep& step) { return step.name == name; });
  EXPECT_NE(found, steps.end()) << name;
  return static_cast<size_t>(found - steps.begin());
}

TEST(InitSteps, ComeInTheOrderThatSecurityNeeds) {
  const char* const order[] = {"join cgroups",
                               "make cgroup namespace",
                               "attach root",
                               "mount proc",
                               "mount volume",
                               "protect",
                               "mask",
                               "pivot_root",
                               "protect root",
                               "close descriptors",
                               "set user",
                               "die with the shim",
                               "set no_new_privs",
                               "install seccomp filter",
                               "drop capabilities"};
  for (size_t i = 0; i + 1 < std::size(order); ++i)
    EXPECT_LT(positionOf(containerSteps(), order[i]), positionOf(containerSteps(), order[i + 1])) << order[i];
}

TEST(InitSteps, OfExecDropPrivilegesAsThoseOfAContainerDo) {
  const auto from = positionOf(execSteps(), "start session");
  const auto tail = execSteps().subspan(from);
  const auto same = containerSteps().subspan(positionOf(containerSteps(), "start session"));
  ASSERT_EQ(tail.size(), same.size());
  for (size_t i = 0; i < tail.size(); ++i) EXPECT_EQ(tail[i].run, same[i].run);
}

TEST(StepError, SaysWhoseFaultItIs) {
  const InitStep node{"mount proc", Fault::kNode, nullptr}, container{"", Fault::kContainer, nullptr};
  const Error missing{Code::kNotFound, ENOENT, "x: ENOENT"};
  EXPECT_EQ(stepError(node, missing).code, Code::kInternal);
  EXPECT_EQ(stepError(node, missing).text, "mount proc: x: ENOENT");
  EXPECT_EQ(stepError(container, missing).code, Code::kNotFound);
  EXPECT_EQ(stepError(container, missing).text, "x: ENOENT");
  EXPECT_EQ(stepError(container, Error{Code::kPermissionDenied, EACCES, "y"}).code, Code::kInvalidArgument);
}

class InitFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(path_ + "/bin");
    root_ = UniqueFd(open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  void TearDown() override { fs::remove_all(path_); }
  void makeFile(const std::string& name, int mode) {
    std::ofstream(path_ + name) << "x";
    chmod((path_ + name).c_str(), static_cast<mode_t>(mode));
  }
  std::string nameOf(const UniqueFd& fd) const {
    return fs::read_symlink("/proc/self/fd/" + std::to_string(fd.get())).string().substr(path_.size());
  }
  const std::string path_ = fs::temp_directory_path() / ("keelson-init-" + randomHex(6));
  UniqueFd root_;
};

TEST_F(InitFiles, ProgramsAreFoundAndRefusedInGosWords) {
  makeFile("/bin/run", 0755);
  makeFile("/bin/plain", 0644);
  const std::vector<std::string> env{"A=b", "PATH=relative::/nowhere:" + path_ + "/bin", "PATH=/other"};
  EXPECT_EQ(findExecutable("run", env).value(), path_ + "/bin/run");
  EXPECT_EQ(findExecutable(path_ + "/bin/run", {}).value(), path_ + "/bin/run");
  EXPECT_EQ(findExecutable("plain", env).error().text, "exec: \"plain\": executable file not found in $PATH");
  EXPECT_EQ(findExecutable("run", {}).error().code, Code::kNotFound);
  EXPECT_EQ(findExecutable("", env).error().text, "exec: \"\": executable file not found in $PATH");
  EXPECT_EQ(findExecutable("/no/x", env).error().text,
            "exec: \"/no/x\": stat /no/x: no such file or directory");
  EXPECT_EQ(findExecutable(path_ + "/bin/plain", env).error().text,
            "exec: \"" + path_ + "/bin/plain\": permission denied");
  EXPECT_EQ(findExecutable(path_ + "/bin", env).error().text, "exec: \"" + path_ + "/bin\": is a directory");
  EXPECT_EQ(exitCodeOf(findExecutable("/no/x", env).error()), 127);
  EXPECT_EQ(exitCodeOf(findExecutable(path_ + "/bin", env).error()), 126);
}

TEST_F(InitFiles, MountTargetsAreMadeInsideTheRoot) {
  fs::create_directory_symlink("/run", path_ + "/var-run");
  fs::create_directory_symlink("../../../../../etc", path_ + "/climb");
  fs::create_directory_symlink("deep/er", path_ + "/relative");
  makeFile("/file", 0644);
  EXPECT_EQ(nameOf(ensureTarget(root_.get(), "/a/b/c", true).value()), "/a/b/c");
  EXPECT_EQ(nameOf(ensureTarget(root_.get(), "/a//b/./f", false).value()), "/a/b/f");
  EXPECT_EQ(nameOf(ensureTarget(root_.get(), "/var-run/secrets/x", true).value()), "/run/secrets/x");
  EXPECT_EQ(nameOf(ensureTarget(root_.get(), "/climb/hosts", false).value()), "/etc/hosts");
  EXPECT_EQ(nameOf(ensureTarget(root_.get(), "/relative/x", true).value()), "/deep/er/x");
  EXPECT_EQ(nameOf(ensureTarget(root_.get(), "/a/../../../q", true).value()), "/q");
  EXPECT_TRUE(fs::is_regular_file(path_ + "/etc/hosts"));
  EXPECT_EQ(ensureTarget(root_.get(), "/file", true).error().code, Code::kInvalidArgument);
  EXPECT_EQ(ensureTarget(root_.get(), "/a", false).error().code, Code::kInvalidArgument);
  EXPECT_EQ(ensureTarget(root_.get(), "/", true).error().code, Code::kInvalidArgument);
  EXPECT_EQ(ensureTarget(root_.get(), "a", true).error().code, Code::kInvalidArgument);
  EXPECT_FALSE(ensureTarget(root_.get(), "/file/x", true).ok());
}

TEST_F(InitFiles, LinksInACircleEnd) {
  fs::create_symlink("b", path_ + "/a");
  fs::create_symlink("a", path_ + "/b");
  fs::create_symlink("grow/x", path_ + "/grow");
  EXPECT_FALSE(ensureTarget(root_.get(), "/a/x", true).ok());
  EXPECT_FALSE(ensureTarget(root_.get(), "/grow", true).ok());
}

TEST_F(InitFiles, ALinkIsNoPlaceForASystemDirectory) {
  fs::create_directory_symlink("bin", path_ + "/proc");
  EXPECT_FALSE(ensurePlainDirectory(root_.get(), "proc").ok());
  EXPECT_TRUE(ensurePlainDirectory(root_.get(), "sys").ok());
  EXPECT_TRUE(ensurePlainDirectory(root_.get(), "sys").ok());
}

}  // namespace
}  // namespace keelson::runtime::init
