// The fakes of the kubelet's tests do what the real things do: one script, run on both.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "runtime/host_devices.h"
#include "runtime/host_path.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_host_paths.h"
#include "tests/fakes/fake_runtime.h"
#include "tests/root/runtime/runtime_world.h"

namespace keelson::test {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

std::string outcome(const Result<void>& result) { return result ? "ok" : codeName(result.error().code); }
template <class T>
std::string outcome(const Result<T>& result) {
  return result ? "ok" : codeName(result.error().code);
}

std::string describe(const Result<runtime::ObservedPod>& pod) {
  if (!pod) return codeName(pod.error().code);
  std::string text = fmt::format("sandbox {}", static_cast<int>(pod->sandbox));
  for (const auto& container : pod->containers) {
    text += fmt::format(" {}:{}", container.name,
                        container.running ? "running" : std::to_string(container.exit_code));
  }
  return text;
}

// `life` gives the requests in both runs; `settled` waits until container `a` has ended.
Lines runScript(runtime::Runtime& runtime, RuntimeLife& life, const std::function<void()>& settled) {
  const PodUid uid("u1");
  const ContainerId a = RuntimeLife::idOf('a'), none = RuntimeLife::idOf('f');
  Stop stop = patience();
  Lines lines;
  const auto note = [&](const char* what, const std::string& result) {
    lines.push_back(fmt::format("{}: {}", what, result));
  };
  const auto start = [&](char id) {
    return runtime.startContainer(uid, life.container("u1", id, "sleep 1000"), stop);
  };
  const auto exec = [&](const ContainerId& id) {
    return runtime.exec(uid, id, {{"true"}, false, {}, {}, {}, {}}, stop);
  };

  note("status before", describe(runtime.status(uid, stop)));
  note("destroy before", outcome(runtime.destroySandbox(uid, stop).result()));
  note("start before", outcome(start('a')));
  note("netns before", outcome(runtime.openNetns(uid, stop)));
  note("tmpfs before", outcome(runtime.ensureTmpfs(uid, "cache", 0, 0777, stop)));
  note("usage before", outcome(runtime.usage(uid)));
  note("remove before", outcome(runtime.removeContainer(uid, a, stop)));
  note("stop before", outcome(runtime.stopContainer(uid, a, SIGTERM, {}, stop)));
  note("exec before", outcome(exec(a)));

  note("create", outcome(runtime.createSandbox(life.sandbox("u1"), stop)));
  note("create again", outcome(runtime.createSandbox(life.sandbox("u1"), stop)));
  note("list", std::to_string(runtime.list()->size()));
  note("netns", outcome(runtime.openNetns(uid, stop)));
  note("tmpfs", outcome(runtime.ensureTmpfs(uid, "cache", 0, 0777, stop)));
  note("tmpfs again", outcome(runtime.ensureTmpfs(uid, "cache", 0, 0777, stop)));
  note("tmpfs bad name", outcome(runtime.ensureTmpfs(uid, "a/b", 0, 0777, stop)));
  note("status", describe(runtime.status(uid, stop)));

  note("start", outcome(start('a')));
  note("start again", outcome(start('a')));
  auto bad = life.container("u1", 'b', "x");
  bad.plan.process.args.clear();
  note("start without command", outcome(runtime.startContainer(uid, std::move(bad), stop)));
  auto target = life.container("u1", 'b', "x");
  target.plan.target_container_id = none.str();
  note("start beside nobody", outcome(runtime.startContainer(uid, std::move(target), stop)));
  auto tmpfs = life.container("u1", 'b', "x");
  runtime::OwnedMount mount;
  mount.plan.target = "/x";
  mount.plan.source = runtime::MountSource::kPodTmpfs;
  mount.plan.tmpfs_name = "nothing";
  tmpfs.mounts.push_back(std::move(mount));
  note("start with no such tmpfs", outcome(runtime.startContainer(uid, std::move(tmpfs), stop)));
  note("usage", std::to_string(runtime.usage(uid)->size()));
  note("exec", outcome(exec(a)));
  note("exec nowhere", outcome(exec(none)));
  note("exec nothing", outcome(runtime.exec(uid, a, {}, stop)));
  note("remove running", outcome(runtime.removeContainer(uid, a, stop)));
  note("remove absent", outcome(runtime.removeContainer(uid, none, stop)));
  note("stop absent", outcome(runtime.stopContainer(uid, none, SIGTERM, {}, stop)));
  note("arm", outcome(runtime.stopContainer(uid, a, 0, std::chrono::hours(1), stop)));
  note("arm absent", outcome(runtime.stopContainer(uid, none, 0, std::chrono::hours(1), stop)));
  note("status running", describe(runtime.status(uid, stop)));

  note("stop", outcome(runtime.stopContainer(uid, a, SIGKILL, std::chrono::hours(1), stop)));
  settled();
  note("status ended", describe(runtime.status(uid, stop)));
  note("stop ended", outcome(runtime.stopContainer(uid, a, SIGTERM, {}, stop)));
  note("exec ended", outcome(exec(a)));
  note("remove", outcome(runtime.removeContainer(uid, a, stop)));
  note("remove again", outcome(runtime.removeContainer(uid, a, stop)));
  note("status removed", describe(runtime.status(uid, stop)));
  note("destroy", outcome(runtime.destroySandbox(uid, stop).result()));
  note("destroy again", outcome(runtime.destroySandbox(uid, stop).result()));
  note("status after", describe(runtime.status(uid, stop)));
  return lines;
}

ROOT_TEST(Parity, TheFakeRuntimeAnswersAsTheRealOne) {
  RuntimeLife life(world);
  const Lines real = runScript(life.runtime(), life, [&] { life.waitExit("u1", 'a'); });
  FakeClock clock;
  fs::create_directories(world.scratch + "/fake");
  fakes::FakeRuntime fake(life.loop(), clock, world.scratch + "/fake");
  const Lines pretended = runScript(fake, life, [] {});
  EXPECT_EQ(pretended, real);
}

ROOT_TEST(Parity, TheFakeHostPathsAnswerAsTheRealOnes) {
  RuntimeLife life(world);
  const auto paths = runtime::makeHostPaths(life.loop(), life.shim());
  const auto script = [](runtime::HostPaths& host_paths, const std::string& prefix) {
    const struct {
      const char *path, *type, *sub_path;
    } cases[] = {{"/dir", "", ""},
                 {"/dir", "Directory", ""},
                 {"/dir", "File", ""},
                 {"/dir", "Socket", ""},
                 {"/dir/file", "File", ""},
                 {"/dir/file", "FileOrCreate", ""},
                 {"/dir/file", "DirectoryOrCreate", ""},
                 {"/dir/file", "CharDevice", ""},
                 {"/gone", "Directory", ""},
                 {"/gone", "File", ""},
                 {"/gone", "BlockDevice", ""},
                 {"/new-dir/deep", "DirectoryOrCreate", ""},
                 {"/new-file", "FileOrCreate", ""},
                 {"/no/parent", "FileOrCreate", ""},
                 {"/untyped/deep", "", ""},
                 {"/dir", "", "a/b"},
                 {"/dir", "", "file"},
                 {"/dir", "", "way-out"},
                 {"/dir", "Elephant", ""}};
    Lines lines;
    for (const auto& c : cases) {
      runtime::HostPathRequest request;
      request.path = prefix + c.path;
      request.type = c.type;
      request.sub_path = c.sub_path;
      Stop stop = patience();
      const auto opened = host_paths.open(request, stop);
      lines.push_back(fmt::format("{} {} {}: {}", c.path, c.type, c.sub_path,
                                  opened ? opened->is_directory ? "directory" : "other" : outcome(opened)));
    }
    return lines;
  };
  for (const char* host : {"/real", "/fake"}) {
    fs::create_directories(world.scratch + host + "/dir");
    std::ofstream(world.scratch + host + "/dir/file") << "x";
    fs::create_symlink("../../outside", world.scratch + host + "/dir/way-out");
  }
  fakes::FakeHostPaths fake(world.scratch + "/fake");
  EXPECT_EQ(script(fake, ""), script(*paths, world.scratch + "/real"));
}

ROOT_TEST(HostDevices, AreListedByPathWithoutThoseOfEveryContainer) {
  const std::string dev = world.scratch + "/dev";
  for (const char* dir : {"/net", "/pts", "/shm"}) fs::create_directories(dev + dir);
  const auto node = [&](const char* name, mode_t mode, unsigned major, unsigned minor) {
    ASSERT_EQ(::mknod((dev + name).c_str(), mode, makedev(major, minor)), 0) << name;
    ASSERT_EQ(::chmod((dev + name).c_str(), mode & 0777), 0);
  };
  node("/null", S_IFCHR | 0666, 1, 3);
  node("/console", S_IFCHR | 0600, 5, 1);
  node("/pts/0", S_IFCHR | 0620, 136, 0);
  node("/kmsg", S_IFCHR | 0644, 1, 11);
  node("/vda", S_IFBLK | 0660, 254, 0);
  node("/net/tun", S_IFCHR | 0666, 10, 200);
  fs::create_symlink("/proc/kcore", dev + "/core");
  std::ofstream(dev + "/file") << "x";
  const auto devices = runtime::hostDevices(DirFd::open(dev).value());
  ASSERT_TRUE(devices) << devices.error().text;
  Lines lines;
  for (const auto& d : *devices) {
    lines.push_back(fmt::format("{} {} {}:{} {:o}", d.path, d.block ? 'b' : 'c', d.major, d.minor, d.mode));
  }
  EXPECT_THAT(lines, ::testing::ElementsAre("/dev/kmsg c 1:11 644", "/dev/net/tun c 10:200 666",
                                            "/dev/vda b 254:0 660"));
}

}  // namespace
}  // namespace keelson::test
