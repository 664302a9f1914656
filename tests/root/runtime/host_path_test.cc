// HostPaths with the real helper process.
#include "runtime/host_path.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "kernel/mount.h"
#include "runtime/shim_image.h"
#include "tests/paths.h"
#include "tests/root/fixture.h"
#include "tests/root/runtime/runtime_world.h"

namespace keelson::test {
namespace {

namespace fs = std::filesystem;
using runtime::HostPathRequest;
using ::testing::HasSubstr;

class HostPathWorld {
 public:
  explicit HostPathWorld(RootWorld& world) : host(world.scratch + "/host") {
    fs::create_directories(host + "/dir/sub");
    std::ofstream(host + "/dir/file") << "content";
    std::ofstream(host + "/outside") << "secret";
    fs::create_symlink("../outside", host + "/dir/way-out");
    auto shim = runtime::sealShim(test::buildPath("runtime/keelson-shim"));
    EXPECT_TRUE(shim);
    paths = runtime::makeHostPaths(loop, *shim);
    thread = std::thread([this] { loop.run(); });
  }
  ~HostPathWorld() {
    loop.stop();
    thread.join();
  }

  Result<runtime::OpenedHostPath> open(HostPathRequest request,
                                       Duration patience = std::chrono::seconds(20)) {
    request.path = host + request.path;
    Stop stop(patience);
    return paths->open(request, stop);
  }

  std::string host;
  Loop loop;
  std::unique_ptr<runtime::HostPaths> paths;
  std::thread thread;
};

// A file system whose server never answers: every look into it blocks.
UniqueFd mountDead(const std::string& path) {
  fs::create_directories(path);
  UniqueFd server(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (!server) return server;
  const std::string options = fmt::format("fd={},rootmode=40000,user_id=0,group_id=0", server.get());
  if (::mount("dead", path.c_str(), "fuse", 0, options.c_str()) != 0) return {};
  return server;
}

// Takes every request of a dead file system and answers none but the first: who asked waits in D state, which
// no signal ends.
class SilentServer {
 public:
  explicit SilentServer(UniqueFd server) : server_(std::move(server)) {
    if (::pipe2(wake_, O_CLOEXEC) != 0) std::abort();
    thread_ = std::thread([this] { serve(); });
  }
  ~SilentServer() { end(); }
  // The connection breaks: all who wait get an error.
  void end() {
    if (!thread_.joinable()) return;
    ::close(wake_[1]);
    thread_.join();
    ::close(wake_[0]);
    server_.reset();
  }

 private:
  void serve() {
    std::vector<char> request(size_t{256} << 10);
    while (true) {
      pollfd fds[] = {{server_.get(), POLLIN, 0}, {wake_[0], POLLIN, 0}};
      if (::poll(fds, 2, -1) < 0 || fds[1].revents != 0) return;
      if (::read(server_.get(), request.data(), request.size()) <
          static_cast<ssize_t>(sizeof(fuse_in_header)))
        continue;
      fuse_in_header header{};
      std::memcpy(&header, request.data(), sizeof header);
      if (header.opcode != FUSE_INIT) continue;
      struct {
        fuse_out_header header;
        fuse_init_out body;
      } answer{};
      answer.header = {sizeof answer, 0, header.unique};
      answer.body.major = FUSE_KERNEL_VERSION;
      answer.body.minor = FUSE_KERNEL_MINOR_VERSION;
      answer.body.max_write = 4096;
      (void)!::write(server_.get(), &answer, sizeof answer);
    }
  }

  UniqueFd server_;
  int wake_[2] = {-1, -1};
  std::thread thread_;
};

ROOT_TEST(HostPath, GivesADetachedMountThatWorks) {
  HostPathWorld at(world);
  const auto opened = at.open({"/dir", "Directory"});
  ASSERT_TRUE(opened) << opened.error().text;
  EXPECT_TRUE(opened->is_directory);
  const UniqueFd copy(::dup(opened->mount.get()));
  EXPECT_EQ(DirFd(UniqueFd(::dup(copy.get()))).readFile("file", 100).value(), "content");
  fs::create_directory(at.host + "/target");
  const UniqueFd target(::open((at.host + "/target").c_str(), O_PATH | O_CLOEXEC));
  EXPECT_TRUE(kernel::Mount(UniqueFd(::dup(copy.get()))).attach(target.get()));
  EXPECT_TRUE(fs::exists(at.host + "/target/file"));
  const auto file = at.open({"/dir/file", "File"});
  ASSERT_TRUE(file) << file.error().text;
  EXPECT_FALSE(file->is_directory);
}

ROOT_TEST(HostPath, ErrorsArriveAsTheyWere) {
  HostPathWorld at(world);
  const auto wrong = at.open({"/dir/file", "Directory"});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(wrong.error().text,
              HasSubstr("hostPath type check failed: " + at.host + "/dir/file is not a directory"));
  EXPECT_EQ(at.open({"/absent", "Socket"}).error().text,
            "hostPath type check failed: " + at.host + "/absent is not a socket file");
  EXPECT_EQ(at.open({"/absent/x", "FileOrCreate"}).error().code, Code::kNotFound);
  HostPathRequest relative;
  relative.path = "etc";
  Stop stop(std::chrono::seconds(5));
  EXPECT_EQ(at.paths->open(relative, stop).error().code, Code::kInvalidArgument);
}

ROOT_TEST(HostPath, SubPathsDoNotLeaveTheVolume) {
  HostPathWorld at(world);
  HostPathRequest request;
  request.path = "/dir";
  request.sub_path = "sub";
  EXPECT_TRUE(at.open(request));
  for (const char* way_out : {"way-out", "../outside", "sub/../../outside", "/etc"}) {
    request.sub_path = way_out;
    EXPECT_FALSE(at.open(request)) << way_out;
  }
  request.sub_path = "made/here";
  EXPECT_TRUE(at.open(request));
  EXPECT_TRUE(fs::is_directory(at.host + "/dir/made/here"));
}

ROOT_TEST(HostPath, ADeadFileServerCostsADeadlineAndNothingElse) {
  HostPathWorld at(world);
  const UniqueFd server = mountDead(at.host + "/dead");
  if (!server) GTEST_SKIP() << "no /dev/fuse here";
  const auto opened = at.open({"/dead/x", "Directory"}, std::chrono::milliseconds(300));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kDeadlineExceeded) << opened.error().text;
  EXPECT_TRUE(at.open({"/dir"})) << "other paths work meanwhile";
  // The helper is killed and waited for by the loop: no zombie stays.
  EXPECT_TRUE(eventually([] {
    siginfo_t info{};
    return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1 && errno == ECHILD;
  }));
}

ROOT_TEST(HostPath, ADeadPathThatIsTriedAgainAndAgainLeavesRoomForOthers) {
  HostPathWorld at(world);
  UniqueFd dead = mountDead(at.host + "/dead");
  if (!dead) GTEST_SKIP() << "no /dev/fuse here";
  SilentServer server(std::move(dead));
  const auto ask = [&] { return at.open({"/dead/x"}, std::chrono::milliseconds(300)); };
  for (int i = 0; i < runtime::kMaxHungHelpersOfPath; ++i) {
    const auto late = ask();
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, Code::kDeadlineExceeded) << late.error().text;
  }
  const auto refused = ask();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kResourceExhausted) << refused.error().text;
  EXPECT_THAT(refused.error().text, HasSubstr(at.host + "/dead/x"));
  EXPECT_TRUE(at.open({"/dir"}));
  server.end();
  EXPECT_TRUE(eventually([&] {
    const auto again = ask();
    return !again && again.error().code != Code::kResourceExhausted;
  })) << "asked again once the hung ones have ended";
}

ROOT_TEST(HostPath, HungHelpersAreBounded) {
  HostPathWorld at(world);
  const UniqueFd server = mountDead(at.host + "/dead");
  if (!server) GTEST_SKIP() << "no /dev/fuse here";
  std::atomic<int> exhausted{0}, late{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < runtime::kMaxHungHelpers + 6; ++i) {
    callers.emplace_back([&] {
      const auto opened = at.open({"/dead/x"}, std::chrono::seconds(4));
      if (opened) return;
      if (opened.error().code == Code::kResourceExhausted) ++exhausted;
      if (opened.error().code == Code::kDeadlineExceeded) ++late;
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(exhausted, 6);
  EXPECT_EQ(late, runtime::kMaxHungHelpers);
  EXPECT_TRUE(eventually([&] { return at.open({"/dir"}).ok(); }))
      << "room again once the loop has seen them end";
}

}  // namespace
}  // namespace keelson::test
