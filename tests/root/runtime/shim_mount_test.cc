// Namespaces and mounts of pods and containers.
#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/fs.h"
#include "kernel/process.h"
#include "runtime/shim/host_path.h"
#include "runtime/shim/message.h"
#include "runtime/wire.h"
#include "tests/paths.h"
#include "tests/root/runtime/shim_client.h"

namespace keelson::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

std::string slurp(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

ROOT_TEST(ShimNamespaces, ThePodHasItsNameLoopbackAndSysctls) {
  runtime::SandboxPlan sandbox;
  sandbox.hostname = "web-0";
  sandbox.sysctls = {{"net.ipv4.ip_unprivileged_port_start", "0"},
                     {"net.ipv4.ping_group_range", "0 2147483647"},
                     {"kernel.shm_rmid_forced", "1"},
                     {"kernel.msgmax", "9000"}};
  ShimPod pod(world, sandbox);
  pod.run(ShimPod::planFor(
      "c1",
      "hostname; cat /sys/class/net/lo/flags; cd /proc/sys; cat net/ipv4/ip_unprivileged_port_start "
      "net/ipv4/ping_group_range kernel/shm_rmid_forced kernel/msgmax"));
  EXPECT_EQ(pod.log("c1"), "web-0\n0x9\n0\n0\t2147483647\n1\n9000\n");
  EXPECT_NE(slurp("/proc/sys/kernel/msgmax"), "9000\n");
}

ROOT_TEST(ShimNamespaces, AHostPodKeepsTheHostsNamespaces) {
  runtime::SandboxPlan sandbox;
  sandbox.hostname = "unused";
  sandbox.namespaces.host_network = sandbox.namespaces.host_ipc = sandbox.namespaces.host_pid = true;
  ShimPod pod(world, sandbox);
  pod.run(ShimPod::planFor(
      "c1", "for n in net ipc uts pid mnt; do readlink /proc/self/ns/$n; done; test -e /proc/" +
                std::to_string(pod.shimPid()) + " && echo sees"));
  std::string expected;
  for (const char* name : {"net", "ipc", "uts", "pid"})
    expected += fs::read_symlink(std::string("/proc/self/ns/") + name).string() + "\n";
  EXPECT_THAT(pod.log("c1"), ::testing::StartsWith(expected));
  EXPECT_THAT(pod.log("c1"), HasSubstr("sees\n"));
}

ROOT_TEST(ShimNamespaces, AForeignSysctlFailsTheSandboxByName) {
  runtime::SandboxPlan sandbox;
  sandbox.sysctls = {{"vm.swappiness", "1"}};
  EXPECT_THROW(
      {
        try {
          ShimPod pod(world, sandbox);
        } catch (const std::exception& error) {
          EXPECT_THAT(error.what(), HasSubstr("sysctl vm.swappiness"));
          throw;
        }
      },
      std::exception);
}

ROOT_TEST(ShimNamespaces, ContainersShareShmAndWithSharedPidsSeeEachOther) {
  runtime::SandboxPlan sandbox;
  sandbox.namespaces.share_pid = true;
  ShimPod pod(world, sandbox);
  ASSERT_TRUE(pod.start(ShimPod::planFor("c1", "echo from-one >/dev/shm/x; sleep 4242")).ok());
  pod.run(ShimPod::planFor("c2", "while [ ! -s /dev/shm/x ]; do usleep 1000; done; cat /dev/shm/x; ps"));
  EXPECT_THAT(pod.log("c2"), HasSubstr("from-one\n"));
  EXPECT_THAT(pod.log("c2"), HasSubstr("sleep 4242\n"));
  EXPECT_TRUE(pod.record("c1")->running);
}

ROOT_TEST(ShimNamespaces, AnEphemeralContainerJoinsItsTargetsPids) {
  ShimPod pod(world);
  ASSERT_TRUE(pod.start(ShimPod::planFor("c1", "exec sleep 4242")).ok());
  auto plan = ShimPod::planFor("c2", "cat /proc/1/comm");
  plan.target_container_id = "c1";
  pod.run(plan);
  EXPECT_EQ(pod.log("c2"), "sleep\n");
}

ROOT_TEST(ShimMounts, DevHasItsNodesAndNothingElse) {
  ShimPod pod(world);
  auto plan = ShimPod::planFor("c1",
                               "ls /dev; echo x >/dev/null; head -c 3 /dev/zero | wc -c 2>/dev/null; "
                               "stat -c %F:%t:%T:%a /dev/null /dev/extra/node; readlink /dev/ptmx");
  plan.devices = {{.path = "/dev/extra/node", .block = false, .major = 1, .minor = 5, .mode = 0640},
                  {.path = "/dev/null", .major = 1, .minor = 3}};
  pod.run(plan);
  EXPECT_THAT(
      pod.log("c1"),
      ::testing::StartsWith("extra\nfd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\n"
                            "tty\nurandom\nzero\n"));
  EXPECT_THAT(pod.log("c1"),
              HasSubstr("character special file:1:3:666\ncharacter special file:1:5:640\npts/ptmx\n"));
}

ROOT_TEST(ShimMounts, SystemFileSystemsAreReadOnly) {
  ShimPod pod(world);
  pod.run(ShimPod::planFor("c1", "cat /proc/self/mounts"));
  std::istringstream lines(pod.log("c1"));
  std::string source, target, type, options, rest;
  int cgroups = 0;
  while (lines >> source >> target >> type >> options && std::getline(lines, rest)) {
    if (target.starts_with("/sys")) {
      EXPECT_THAT(options, ::testing::StartsWith("ro,")) << target;
    }
    if (type == "cgroup" || type == "cgroup2") ++cgroups;
    EXPECT_NE(target, "/root") << "the old root is gone";
  }
  EXPECT_GT(cgroups, 0);
}

ROOT_TEST(ShimMounts, AVolumeMayBeReadOnlyOrAFileOrATmpfs) {
  ShimPod pod(world);
  fs::create_directory(world.scratch + "/data");
  std::ofstream(world.scratch + "/data/file") << "content\n";
  Stop stop(kPatience);
  auto tmpfs = pod.client().ensureTmpfs({"cache", 1 << 20, 01777, 0}, stop);
  ASSERT_TRUE(tmpfs.ok()) << tmpfs.error().text;
  ASSERT_TRUE(tmpfs->writeFileAtomic("config", "from-daemon\n", 0644).ok());
  auto plan =
      ShimPod::planFor("c1",
                       "cat /ro/file; touch /ro/x 2>&1; cat /etc/hosts; touch /rw/made; cat /cache/config; "
                       "touch /cache/sub/y; cat /sub/deeper/config 2>&1; ls /sub");
  plan.read_only_root = true;
  std::vector<TestMount> mounts;
  mounts.push_back({{.target = "/ro", .read_only = true}, ShimPod::cloneOf(world.scratch + "/data")});
  mounts.push_back(
      {{.target = "/etc/hosts", .is_directory = false}, ShimPod::cloneOf(world.scratch + "/data/file")});
  mounts.push_back({{.target = "/rw"}, ShimPod::cloneOf(world.scratch + "/data")});
  mounts.push_back(
      {{.target = "/cache", .source = runtime::MountSource::kPodTmpfs, .tmpfs_name = "cache"}, {}});
  mounts.push_back({{.target = "/sub",
                     .source = runtime::MountSource::kPodTmpfs,
                     .tmpfs_name = "cache",
                     .sub_path = "sub"},
                    {}});
  pod.run(plan, std::move(mounts));
  EXPECT_EQ(pod.log("c1"),
            "content\ntouch: /ro/x: Read-only file system\ncontent\nfrom-daemon\n"
            "cat: can't open '/sub/deeper/config': No such file or directory\ny\n");
  EXPECT_TRUE(fs::exists(world.scratch + "/data/made"));
  // The second call gives the same volume.
  auto again = pod.client().ensureTmpfs({"cache", 1 << 20, 01777, 0}, stop);
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->readFile("sub/y", 10).ok());
}

ROOT_TEST(ShimMounts, ASubPathThatLeavesItsVolumeIsRefused) {
  ShimPod pod(world);
  Stop stop(kPatience);
  auto tmpfs = pod.client().ensureTmpfs({"v", 0, 0777, 0}, stop);
  ASSERT_TRUE(tmpfs.ok());
  ASSERT_EQ(symlinkat("/proc", tmpfs->get(), "out"), 0);
  for (const char* sub_path : {"out", "../shm", "/proc"}) {
    auto plan = ShimPod::planFor("c1", "true");
    std::vector<TestMount> mounts;
    mounts.push_back(
        {{.target = "/v", .source = runtime::MountSource::kPodTmpfs, .tmpfs_name = "v", .sub_path = sub_path},
         {}});
    const auto started = pod.start(plan, std::move(mounts));
    ASSERT_FALSE(started.ok()) << sub_path;
    EXPECT_THAT(started.error().text, HasSubstr("mount volume: /v: subPath"));
  }
}

ROOT_TEST(ShimMounts, MountsMadeOnTheHostReachAContainerThatAskedForThem) {
  ShimPod pod(world);
  const std::string host = world.scratch + "/host";
  fs::create_directories(host + "/later");
  ASSERT_EQ(mount(host.c_str(), host.c_str(), nullptr, MS_BIND, nullptr), 0);
  ASSERT_EQ(mount(nullptr, host.c_str(), nullptr, MS_SHARED, nullptr), 0);
  const auto cloneWith = [&](runtime::Propagation propagation, uint64_t flag) {
    kernel::Mount clone{ShimPod::cloneOf(host, true)};
    EXPECT_TRUE(clone.setPropagation(flag, true).ok());
    return TestMount{{.target = "/v", .propagation = propagation}, clone.release()};
  };
  const char* script = "echo ready; while [ ! -e /go ]; do usleep 1000; done; ls /v/later";
  for (const auto& [id, propagation, flag] :
       {std::tuple{"private", runtime::Propagation::kPrivate, uint64_t{MS_PRIVATE}},
        std::tuple{"slave", runtime::Propagation::kSlave, uint64_t{MS_SLAVE}}}) {
    std::vector<TestMount> mounts;
    mounts.push_back(cloneWith(propagation, flag));
    ASSERT_TRUE(pod.start(ShimPod::planFor(id, script), std::move(mounts)).ok());
  }
  auto bidirectional = ShimPod::planFor(
      "shared", "mkdir /v/mine && mount -t tmpfs none /v/mine && touch /v/mine/it && echo ok");
  bidirectional.process.capabilities = ~0ull;
  std::vector<TestMount> mounts;
  mounts.push_back(cloneWith(runtime::Propagation::kShared, MS_SHARED));
  ASSERT_TRUE(pod.start(bidirectional, std::move(mounts)).ok());
  pod.waitExit("shared");
  EXPECT_EQ(pod.log("shared"), "ok\n");
  EXPECT_TRUE(fs::exists(host + "/mine/it"));
  ASSERT_EQ(mount("none", (host + "/later").c_str(), "tmpfs", 0, nullptr), 0);
  std::ofstream(host + "/later/file") << "";
  std::ofstream(pod.root() + "/go") << "";
  pod.waitExit("private");
  pod.waitExit("slave");
  EXPECT_EQ(pod.log("private"), "ready\n");
  EXPECT_EQ(pod.log("slave"), "ready\nfile\n");
}

// One request to the helper in a process of its own, as the daemon makes it.
struct HelperAnswer {
  runtime::HostPathAnswer answer;
  UniqueFd mount;
};
HelperAnswer askHelper(const runtime::HostPathWire& request) {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd ours(ends[0]), theirs(ends[1]);
  auto executable = kernel::sealExecutable(test::buildPath("runtime/keelson-shim"));
  kernel::SpawnRequest spawn;
  spawn.executable = executable->get();
  spawn.args = {"keelson-shim", "host-path"};
  spawn.descriptors = {theirs.get()};
  auto helper = kernel::spawn(spawn);
  EXPECT_TRUE(helper.ok());
  EXPECT_TRUE(runtime::shim::sendRaw(ours.get(), runtime::encodeWire(request), {}).ok());
  EXPECT_TRUE(helper->pidfd.waitEnd(kPatience).ok());
  auto raw = runtime::shim::receiveRaw(ours.get());
  HelperAnswer answer;
  if (!raw || !*raw) {
    ADD_FAILURE() << "no answer";
    return answer;
  }
  answer.answer = runtime::decodeWire<runtime::HostPathAnswer>((*raw)->bytes).value();
  if (!(*raw)->descriptors.empty()) answer.mount = std::move((*raw)->descriptors[0]);
  return answer;
}

ROOT_TEST(HostPathHelper, ChecksAndMakesByType) {
  const std::string base = world.scratch + "/h";
  fs::create_directory(base);
  std::ofstream(base + "/file") << "x";
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  struct Case {
    const char *name, *type;
    bool ok, directory;
    const char* text;
  };
  const Case cases[] = {
      {"", "", true, true, ""},
      {"/file", "", true, false, ""},
      {"/file", "File", true, false, ""},
      {"/file", "Directory", false, false, "hostPath type check failed: PATH is not a directory"},
      {"", "File", false, false, "hostPath type check failed: PATH is not a file"},
      {"/file", "Socket", false, false, "hostPath type check failed: PATH is not a socket file"},
      {"/file", "CharDevice", false, false, "hostPath type check failed: PATH is not a character device"},
      {"/file", "BlockDevice", false, false, "hostPath type check failed: PATH is not a block device"},
      {"/none", "Directory", false, false, "hostPath type check failed: PATH is not a directory"},
      {"/none", "File", false, false, "hostPath type check failed: PATH is not a file"},
      {"/a/b", "DirectoryOrCreate", true, true, ""},
      {"/a/b", "FileOrCreate", false, false, "hostPath type check failed: PATH is not a file"},
      {"/new", "FileOrCreate", true, false, ""},
      {"/no/new", "FileOrCreate", false, false, "create PATH: ENOENT"},
      {"/fresh", "", true, true, ""},
      {"/file", "Nonsense", false, false, "hostPath type \"Nonsense\" is unknown"},
  };
  for (const Case& each : cases) {
    runtime::HostPathWire request;
    request.path = base + each.name;
    request.type = each.type;
    const HelperAnswer got = askHelper(request);
    std::string text = each.text;
    if (const size_t at = text.find("PATH"); at != std::string::npos) text.replace(at, 4, request.path);
    EXPECT_EQ(got.answer.ok, each.ok) << each.name << " " << each.type << ": " << got.answer.error.text;
    EXPECT_EQ(got.mount.valid(), each.ok);
    EXPECT_THAT(got.answer.error.text, ::testing::StartsWith(text));
    if (each.ok) {
      EXPECT_EQ(got.answer.is_directory, each.directory) << each.name;
    }
  }
  struct stat status {};
  ASSERT_EQ(stat((base + "/new").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0644u);
}

ROOT_TEST(HostPathHelper, SubPathsStayInsideTheVolume) {
  const std::string base = world.scratch + "/h";
  fs::create_directories(base + "/in/side");
  fs::create_symlink("in/side", base + "/good");
  fs::create_symlink("/etc", base + "/bad");
  fs::create_symlink("../../etc", base + "/up");
  for (const auto& [sub_path, ok] : {std::pair{"in", true},
                                     {"good", true},
                                     {"made/here", true},
                                     {"bad", false},
                                     {"up", false},
                                     {"../h", false},
                                     {"in/../../x", false}}) {
    runtime::HostPathWire request;
    request.path = base;
    request.sub_path = sub_path;
    const HelperAnswer got = askHelper(request);
    EXPECT_EQ(got.answer.ok, ok) << sub_path << ": " << got.answer.error.text;
  }
  EXPECT_TRUE(fs::is_directory(base + "/made/here"));
  EXPECT_FALSE(fs::exists(world.scratch + "/x"));
}

}  // namespace
}  // namespace keelson::test
