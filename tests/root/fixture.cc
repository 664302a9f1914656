#include "tests/root/fixture.h"

#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>

#include "base/fs.h"
#include "base/ids.h"
#include "kernel/pidfd.h"

namespace keelson::test {
namespace {

// How the keeper ends; kNotTornDown is added to the others.
constexpr int kPassed = 0, kFailed = 1, kSkipped = 2, kNotSetUp = 3, kTimedOut = 4, kNotTornDown = 32;
constexpr auto kTearDownPatience = std::chrono::seconds(10);

[[noreturn]] void endWith(int code) {
  fflush(nullptr);
  _exit(code);
}

// Reports an error of the world itself, which no gtest result of the caller would show.
bool failed(const Result<void>& result) {
  if (!result) fprintf(stderr, "world: %s\n", result.error().text.c_str());
  return !result.ok();
}

Result<void> joinOwnCgroup(const RootWorld& world) {
  const kernel::Cgroup self = TRY(kernel::Cgroup::ensure(world.hierarchies, world.cgroup + "/self"));
  if (self.unified() != nullptr) TRY(self.write("", "cgroup.procs", "0"));
  const std::vector<int> v1 = self.v1Descriptors();
  const int err = kernel::joinV1Raw(v1.data(), static_cast<int>(v1.size()));
  if (err != 0) return errnoError(err, "join cgroup " + self.path());
  return {};
}

Result<void> raiseLoopback() {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  request.ifr_name[0] = 'l', request.ifr_name[1] = 'o';
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) return sysError("raise loopback");
  return {};
}

Result<void> furnish(const RootWorld& world) {
  TRY(joinOwnCgroup(world));
  if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) != 0) return sysError("unshare");
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return sysError("make mounts private");
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
    return sysError("mount /proc");
  if (mount("tmpfs", world.scratch.c_str(), "tmpfs", 0, "mode=0755") != 0) return sysError("mount scratch");
  return raiseLoopback();
}

// PID 1 of the new pid namespace.
[[noreturn]] void runBody(RootTestBody body, RootWorld& world) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (failed(furnish(world))) endWith(kNotSetUp);
  try {
    body(world);
  } catch (const std::exception& thrown) {
    ADD_FAILURE() << "the test threw: " << thrown.what();
  }
  endWith(::testing::Test::HasFailure() ? kFailed : ::testing::Test::IsSkipped() ? kSkipped : kPassed);
}

Result<RootWorld> prepare() {
  RootWorld world;
  world.hierarchies = TRY(kernel::CgroupHierarchies::ofThisHost());
  world.cgroup = "keelson-test-" + randomHex(6);
  std::string scratch = std::filesystem::temp_directory_path() / "keelson-test-XXXXXX";
  if (mkdtemp(scratch.data()) == nullptr) return sysError("make {}", scratch);
  world.scratch = scratch;
  return world;
}

Result<void> tearDown(const RootWorld& world) {
  ErrorList errors;
  auto cgroup = kernel::Cgroup::open(world.hierarchies, world.cgroup);
  if (cgroup) {
    errors.add(cgroup->kill());
    Stop stop(kTearDownPatience);
    errors.add(cgroup->waitEmpty(stop));
    errors.add(kernel::Cgroup::destroy(world.hierarchies, world.cgroup));
  }
  if (rmdir(world.scratch.c_str()) != 0) errors.add(sysError("remove {}", world.scratch));
  return errors.result();
}

// Waits until PID 1 ends; ends it when the test binary dies or time is up.
int superviseBody(pid_t body, const kernel::Pidfd& test_binary) {
  auto pidfd = kernel::Pidfd::open(body);
  if (!pidfd) return kNotSetUp;
  pollfd watched[] = {{pidfd->get(), POLLIN, 0}, {test_binary.get(), POLLIN, 0}};
  const int ready = poll(watched, 2, kRootTestDeadlineSeconds * 1000);
  const bool ended = ready > 0 && watched[0].revents != 0;
  if (!ended) (void)pidfd->signal(SIGKILL);
  int status = 0;
  if (waitpid(body, &status, 0) != body) return kNotSetUp;
  if (!ended) return kTimedOut;
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  fprintf(stderr, "world: the test was ended by signal %d\n", WTERMSIG(status));
  return kFailed;
}

// Between the test binary and PID 1, in the host's namespaces and a session of its own: it removes the
// world's traces from the host even when the test binary is killed or interrupted.
[[noreturn]] void runKeeper(RootTestBody body, const kernel::Pidfd& test_binary) {
  setsid();
  auto world = prepare();
  if (!world) {
    failed(std::move(world).error());
    endWith(kNotSetUp);
  }
  int code = kNotSetUp;
  // It takes effect for children only, so the keeper stays where it is.
  if (unshare(CLONE_NEWPID) != 0) {
    failed(sysError("unshare pids"));
  } else {
    const pid_t first = fork();
    if (first == 0) runBody(body, world.value());
    if (first > 0) code = superviseBody(first, test_binary);
  }
  if (failed(tearDown(world.value()))) code |= kNotTornDown;
  endWith(code);
}

}  // namespace

void runInWorld(RootTestBody body) {
  if (geteuid() != 0) GTEST_SKIP() << "root tests need root";
  auto self = kernel::Pidfd::open(getpid());
  ASSERT_TRUE(self.ok()) << self.error().text;
  fflush(nullptr);
  const pid_t keeper = fork();
  ASSERT_GE(keeper, 0);
  if (keeper == 0) runKeeper(body, self.value());
  int status = 0;
  ASSERT_EQ(waitpid(keeper, &status, 0), keeper);
  ASSERT_TRUE(WIFEXITED(status)) << "the keeper of the world was killed";
  const int code = WEXITSTATUS(status);
  EXPECT_EQ(code & kNotTornDown, 0) << "the world left something behind, see above";
  switch (code & ~kNotTornDown) {
    case kPassed:
      return;
    case kSkipped:
      GTEST_SKIP() << "skipped in its world for the reason above";
    case kNotSetUp:
      FAIL() << "the world could not be set up, see above";
    case kTimedOut:
      FAIL() << "killed after " << kRootTestDeadlineSeconds << " s";
    default:
      FAIL() << "failed in its world, see above";
  }
}

}  // namespace keelson::test
