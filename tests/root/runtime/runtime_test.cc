// NativeRuntime on the real kernel with the real shim.
#include "runtime/native_runtime.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "kernel/mount.h"
#include "runtime/cgroup_apply.h"
#include "tests/root/runtime/runtime_world.h"

namespace keelson::test {
namespace {

namespace fs = std::filesystem;
using runtime::ObservedContainer;
using runtime::SandboxPhase;
using ::testing::HasSubstr;
using ::testing::Not;

const PodUid kUid("u1");

// Calls with a fresh deadline, failing the test with the error's text.
void makeSandbox(RuntimeLife& life, const std::string& uid = "u1") {
  Stop stop = patience();
  const auto made = life.runtime().createSandbox(life.sandbox(uid), stop);
  ASSERT_TRUE(made) << made.error().text;
}
Result<ObservedContainer> start(RuntimeLife& life, char id, const std::string& script,
                                const std::string& uid = "u1") {
  Stop stop = patience();
  return life.runtime().startContainer(PodUid(uid), life.container(uid, id, script), stop);
}
void destroy(RuntimeLife& life, const std::string& uid = "u1") {
  Stop stop = patience();
  const auto errors = life.runtime().destroySandbox(PodUid(uid), stop);
  EXPECT_TRUE(errors.empty()) << errors.result().error().text;
}
std::string textOf(const ErrorList& errors) { return errors.empty() ? "" : errors.result().error().text; }

ROOT_TEST(Runtime, RunsAPodAndLeavesNothingAfterItsEnd) {
  RuntimeLife life(world);
  makeSandbox(life, "warm");  // makes the folders and class cgroups that stay
  destroy(life, "warm");
  const MachineSnapshot before = life.snapshot();

  makeSandbox(life);
  EXPECT_EQ(life.status("u1").sandbox, SandboxPhase::kReady);
  EXPECT_GT(life.status("u1").shim_pid, 0);
  const auto started = start(life, 'a', "echo hello; exit 3");
  ASSERT_TRUE(started) << started.error().text;
  const auto ended = life.waitExit("u1", 'a');
  EXPECT_EQ(ended.exit_code, 3);
  EXPECT_EQ(ended.name, "a");
  EXPECT_THAT(life.log("u1", 'a'), HasSubstr("stdout F hello"));
  ASSERT_TRUE(start(life, 'b', "sleep 1000"));
  EXPECT_THAT(life.runtime().list().value(), ::testing::ElementsAre(kUid));
  EXPECT_GT(life.told("u1"), 0u);

  destroy(life);
  destroy(life);  // may run twice
  EXPECT_EQ(life.status("u1").sandbox, SandboxPhase::kAbsent);
  EXPECT_TRUE(life.runtime().list()->empty());
  EXPECT_EQ(before.difference(life.snapshot()), "");
}

ROOT_TEST(Runtime, ASecondSandboxOfAPodIsRefused) {
  RuntimeLife life(world);
  makeSandbox(life);
  Stop stop = patience();
  const auto again = life.runtime().createSandbox(life.sandbox("u1"), stop);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::kAlreadyExists);
  EXPECT_EQ(life.status("u1").sandbox, SandboxPhase::kReady) << "the first one is not touched";
  destroy(life);
}

ROOT_TEST(Runtime, LimitsAreInTheCgroups) {
  RuntimeLife life(world);
  makeSandbox(life);
  auto request = life.container("u1", 'a', "sleep 1000");
  request.cgroup.memory_limit = Bytes{32 << 20};
  request.cgroup.pids_limit = 50;
  request.cgroup.cpu_quota_us = 50000;
  request.cgroup.container_weight = true;
  request.cgroup.cpu_shares = 1024;
  const std::string path = request.cgroup.path;
  Stop stop = patience();
  ASSERT_TRUE(life.runtime().startContainer(kUid, std::move(request), stop));
  const auto cgroup = kernel::Cgroup::open(world.hierarchies, path).value();
  const bool is_v2 = world.hierarchies.mode == kernel::CgroupMode::kV2;
  EXPECT_EQ(cgroup.read("memory", is_v2 ? "memory.max" : "memory.limit_in_bytes").value(), "33554432\n");
  EXPECT_EQ(cgroup.read("pids", "pids.max").value(), "50\n");
  EXPECT_EQ(cgroup.read("cpu", is_v2 ? "cpu.weight" : "cpu.shares").value(), is_v2 ? "100\n" : "1024\n");
  EXPECT_EQ(cgroup.read("cpu", is_v2 ? "cpu.max" : "cpu.cfs_quota_us").value(),
            is_v2 ? "50000 100000\n" : "50000\n");

  const auto usage = life.runtime().usage(kUid);
  ASSERT_TRUE(usage) << usage.error().text;
  ASSERT_EQ(usage->size(), 2u);
  EXPECT_EQ((*usage)[0].container, "");
  EXPECT_EQ((*usage)[1].container, "a");
  EXPECT_GE((*usage)[1].pids, 1u);
  EXPECT_GT((*usage)[1].memory_working_set.value, 0);
  destroy(life);
}

ROOT_TEST(Runtime, AnOomKillIsReported) {
  RuntimeLife life(world);
  makeSandbox(life);
  auto request = life.container("u1", 'a', "x=0123456789; while :; do x=$x$x; done");
  request.cgroup.memory_limit = Bytes{16 << 20};
  Stop stop = patience();
  ASSERT_TRUE(life.runtime().startContainer(kUid, std::move(request), stop));
  const auto ended = life.waitExit("u1", 'a');
  EXPECT_TRUE(ended.oom_killed);
  EXPECT_EQ(ended.exit_code, 137);
  destroy(life);
}

ROOT_TEST(Runtime, TheUserComesOutOfTheImage) {
  RuntimeLife life(world);
  makeSandbox(life);
  auto request = life.container("u1", 'a', "id; echo home=$HOME");
  request.user = "www";
  request.supplemental_groups = {77};
  Stop stop = patience();
  ASSERT_TRUE(life.runtime().startContainer(kUid, std::move(request), stop));
  life.waitExit("u1", 'a');
  EXPECT_THAT(life.log("u1", 'a'), HasSubstr("uid=33(www) gid=34 groups=4(adm),34,77"));
  EXPECT_THAT(life.log("u1", 'a'), HasSubstr("home=/var/www"));
  destroy(life);
}

ROOT_TEST(Runtime, VolumesOfTheImageAreFilledAndKubernetesMountsHideThem) {
  RuntimeLife life(world);
  makeSandbox(life);
  auto request =
      life.container("u1", 'a', "cat /seed/sub/file; touch /seed/new && echo writable; ls /seed/data");
  auto image = std::make_shared<runtime::Image>(*request.image);
  image->config.volumes = {"/seed/", "/empty", "/", "/../x", "/seed"};
  request.image = image;
  request.plan.read_only_root = true;
  // Given before the volume that it lies in: order is by depth.
  const UniqueFd host(::open((world.scratch + "/layer/etc").c_str(), O_PATH | O_CLOEXEC));
  runtime::OwnedMount mount;
  mount.plan.target = "/seed/data";
  mount.source = kernel::Mount::clone(host.get(), false)->release();
  request.mounts.push_back(std::move(mount));
  Stop stop = patience();
  const auto started = life.runtime().startContainer(kUid, std::move(request), stop);
  ASSERT_TRUE(started) << started.error().text;
  life.waitExit("u1", 'a');
  const std::string log = life.log("u1", 'a');
  EXPECT_THAT(log, HasSubstr("from the image"));
  EXPECT_THAT(log, HasSubstr("writable"));
  EXPECT_THAT(log, HasSubstr("passwd"));
  EXPECT_FALSE(fs::exists(world.scratch + "/layer/seed/new")) << "the layer itself is never written";
  destroy(life);
}

ROOT_TEST(Runtime, ExecRunsAsTheContainerDoes) {
  RuntimeLife life(world);
  makeSandbox(life);
  auto request = life.container("u1", 'a', "sleep 1000");
  request.user = "www";
  Stop stop = patience();
  ASSERT_TRUE(life.runtime().startContainer(kUid, std::move(request), stop));
  std::string output;
  EXPECT_EQ(life.exec("u1", 'a', {"sh", "-c", "id -u; exit 5"}, &output).exit_code, 5);
  EXPECT_EQ(output, "33\n");
  EXPECT_EQ(life.exec("u1", 'a', {"/no/such"}, &output).exit_code, 127);
  const auto missing =
      life.runtime().exec(kUid, RuntimeLife::idOf('f'), {{"x"}, false, {}, {}, {}, {}}, stop);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kFailedPrecondition);
  destroy(life);
}

ROOT_TEST(Runtime, StopSendsTheSignalThenKills) {
  RuntimeLife life(world);
  makeSandbox(life);
  ASSERT_TRUE(start(life, 'a', "trap 'exit 9' TERM; touch /ready; while :; do sleep 0.01; done"));
  ASSERT_TRUE(start(life, 'b', "trap '' TERM; touch /ready; while :; do sleep 0.01; done"));
  for (const char id : {'a', 'b'}) {
    ASSERT_TRUE(eventually([&] {
      return life.exec("u1", id, {"test", "-e", "/ready"}, nullptr).exit_code == 0;
    }));
  }
  Stop stop = patience();
  ASSERT_TRUE(
      life.runtime().stopContainer(kUid, RuntimeLife::idOf('a'), SIGTERM, std::chrono::hours(1), stop));
  ASSERT_TRUE(
      life.runtime().stopContainer(kUid, RuntimeLife::idOf('b'), SIGTERM, std::chrono::hours(1), stop));
  EXPECT_EQ(life.waitExit("u1", 'a').exit_code, 9);
  EXPECT_TRUE(life.runtime().stopContainer(kUid, RuntimeLife::idOf('a'), SIGTERM, {}, stop))
      << "fine if ended";
  ASSERT_TRUE(life.runtime().stopContainer(kUid, RuntimeLife::idOf('b'), SIGTERM,
                                           std::chrono::milliseconds(1), stop));
  EXPECT_EQ(life.waitExit("u1", 'b').exit_code, 137);

  EXPECT_TRUE(life.runtime().removeContainer(kUid, RuntimeLife::idOf('a'), stop));
  EXPECT_TRUE(life.runtime().removeContainer(kUid, RuntimeLife::idOf('a'), stop)) << "fine if absent";
  EXPECT_EQ(life.status("u1").containers.size(), 1u);
  EXPECT_FALSE(fs::exists(world.scratch + "/state/containers/" + std::string(64, 'a')));
  EXPECT_TRUE(fs::exists(world.scratch + "/logs/u1/a/0.log")) << "logs stay";
  destroy(life);
}

ROOT_TEST(Runtime, ASignalOfZeroOnlyArmsTheEnd) {
  RuntimeLife life(world);
  makeSandbox(life);
  ASSERT_TRUE(start(life, 'a', "trap 'exit 9' TERM; touch /ready; while :; do sleep 0.01; done"));
  ASSERT_TRUE(start(life, 'b', "touch /ready; while :; do sleep 0.01; done"));
  for (const char id : {'a', 'b'}) {
    ASSERT_TRUE(eventually([&] {
      return life.exec("u1", id, {"test", "-e", "/ready"}, nullptr).exit_code == 0;
    }));
  }
  Stop stop = patience();
  const auto arm = [&](char id, int signal, Duration grace) {
    return life.runtime().stopContainer(kUid, RuntimeLife::idOf(id), signal, grace, stop).ok();
  };
  ASSERT_TRUE(arm('a', 0, std::chrono::hours(1)));
  ASSERT_TRUE(arm('b', 0, std::chrono::milliseconds(1)));
  EXPECT_EQ(life.waitExit("u1", 'b').exit_code, 137);
  EXPECT_TRUE(life.status("u1").containers.at(0).running);
  ASSERT_TRUE(arm('a', SIGTERM, std::chrono::hours(1)));
  EXPECT_EQ(life.waitExit("u1", 'a').exit_code, 9);
  destroy(life);
}

ROOT_TEST(Runtime, ARunningContainerIsNotRemoved) {
  RuntimeLife life(world);
  makeSandbox(life);
  ASSERT_TRUE(start(life, 'a', "sleep 1000"));
  Stop stop = patience();
  const auto removed = life.runtime().removeContainer(kUid, RuntimeLife::idOf('a'), stop);
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code, Code::kFailedPrecondition) << removed.error().text;
  EXPECT_TRUE(life.status("u1").containers.at(0).running);
  destroy(life);
}

ROOT_TEST(Runtime, AFailedStartLeavesNothingAndTheNextOneSucceeds) {
  RuntimeLife life(world);
  makeSandbox(life);
  const auto first = start(life, 'c', "exit 0");
  ASSERT_TRUE(first) << first.error().text;  // makes what stays for the pod's life
  life.waitExit("u1", 'c');
  std::ofstream(world.scratch + "/logs/in-the-way") << "";
  const MachineSnapshot before = life.snapshot();

  using Spoil = std::function<void(runtime::ContainerRequest&)>;
  const struct {
    const char* what;
    Code code;
    Spoil spoil;
  } cases[] = {
      {"layers", Code::kInternal,
       [](auto& request) {
         auto image = std::make_shared<runtime::Image>(*request.image);
         image->id = "sha256:gone";
         request.image = image;
       }},
      {"user", Code::kInvalidArgument, [](auto& request) { request.user = "nobody-here"; }},
      {"non-root", Code::kFailedPrecondition, [](auto& request) { request.must_be_non_root = true; }},
      {"cgroup value", Code::kInternal,
       [](auto& request) { request.cgroup.cpu_quota_us = request.cgroup.cpu_period_us = 1; }},
      {"cgroup path", Code::kInternal, [](auto& request) { request.cgroup.path += "/../x"; }},
      {"log directory", Code::kInternal,
       [&](auto& request) { request.log_directory = world.scratch + "/logs/in-the-way/x"; }},
      {"target container", Code::kFailedPrecondition,
       [](auto& request) { request.plan.target_container_id = std::string(64, 'f'); }},
      {"mount of a tmpfs that is not there", Code::kNotFound,
       [](auto& request) {
         runtime::OwnedMount mount;
         mount.plan.target = "/x";
         mount.plan.source = runtime::MountSource::kPodTmpfs;
         mount.plan.tmpfs_name = "nothing";
         request.mounts.push_back(std::move(mount));
       }},
      {"mount of a file onto a directory", Code::kInvalidArgument,
       [&](auto& request) {
         const UniqueFd file(::open((world.scratch + "/layer/etc/passwd").c_str(), O_PATH | O_CLOEXEC));
         runtime::OwnedMount mount;
         mount.plan.target = "/bin";
         mount.plan.is_directory = false;
         mount.source = kernel::Mount::clone(file.get(), false)->release();
         request.mounts.push_back(std::move(mount));
       }},
      {"working directory", Code::kInvalidArgument,
       [](auto& request) { request.plan.process.cwd = "/bin/sh"; }},
      {"command", Code::kNotFound, [](auto& request) { request.plan.process.args = {"/no/such/command"}; }},
      {"command in PATH", Code::kNotFound,
       [](auto& request) { request.plan.process.args = {"no-such-command"}; }},
      {"seccomp", Code::kInternal, [](auto& request) { request.plan.process.seccomp_bpf = "not a program"; }},
  };
  for (const auto& c : cases) {
    auto request = life.container("u1", 'a', "sleep 1000");
    c.spoil(request);
    Stop stop = patience();
    const auto failed = life.runtime().startContainer(kUid, std::move(request), stop);
    EXPECT_FALSE(failed) << c.what;
    if (!failed) {
      EXPECT_THAT(failed.error().text, HasSubstr("start container a")) << c.what;
      // Whether the container or the node is at fault is what the kubelet branches on.
      EXPECT_EQ(failed.error().code, c.code) << c.what << ": " << failed.error().text;
    }
    EXPECT_EQ(before.difference(life.snapshot()), "") << c.what;
    EXPECT_EQ(life.status("u1").containers.size(), 1u) << c.what;
    fs::remove_all(world.scratch + "/logs/u1/a");
  }
  const auto started = start(life, 'a', "sleep 1000");
  EXPECT_TRUE(started) << started.error().text;
  destroy(life);
}

ROOT_TEST(Runtime, AFailedSandboxLeavesNothingAndTheNextOneSucceeds) {
  RuntimeLife life(world);
  makeSandbox(life, "warm");
  destroy(life, "warm");
  const MachineSnapshot before = life.snapshot();
  using Spoil = std::function<void(runtime::SandboxRequest&)>;
  const struct {
    const char* what;
    Spoil spoil;
  } cases[] = {
      {"uid", [](auto& request) { request.plan.uid = "../x"; }},
      {"cgroup path", [](auto& request) { request.cgroup.path = "a//b"; }},
      {"cgroup value", [](auto& request) { request.cgroup.cpu_quota_us = request.cgroup.cpu_period_us = 1; }},
      {"sysctl",
       [](auto& request) {
         request.plan.sysctls = {{"net.no.such", "1"}};
       }},
      {"hostname", [](auto& request) { request.plan.hostname = std::string(300, 'x'); }},
  };
  for (const auto& c : cases) {
    auto request = life.sandbox("u1");
    c.spoil(request);
    Stop stop = patience();
    const auto failed = life.runtime().createSandbox(request, stop);
    EXPECT_FALSE(failed) << c.what;
    EXPECT_EQ(before.difference(life.snapshot()), "") << c.what;
  }
  Stop expired{std::chrono::milliseconds(0)};
  EXPECT_EQ(life.runtime().createSandbox(life.sandbox("u1"), expired).error().code, Code::kDeadlineExceeded);
  EXPECT_EQ(before.difference(life.snapshot()), "");
  makeSandbox(life);
  destroy(life);
}

ROOT_TEST(Runtime, PodsDoNotNoticeTheEndOfTheDaemon) {
  int32_t shim = 0, running = 0;
  {
    RuntimeLife life(world);
    makeSandbox(life);
    const auto started =
        start(life, 'a', "echo one; while [ ! -e /go ]; do sleep 0.01; done; echo two; exit 42");
    ASSERT_TRUE(started) << started.error().text;
    ASSERT_TRUE(start(life, 'b', "sleep 1000"));
    shim = life.status("u1").shim_pid;
    running = life.waitFor("u1", 'b', [](const auto& c) { return c.running; }).pid;
    ASSERT_EQ(life.exec("u1", 'a', {"touch", "/go"}, nullptr).exit_code, 0);
  }
  // 'a' ends while there is no daemon: its record is what tells.
  const std::string record = world.scratch + "/run/pods/u1/exits/" + std::string(64, 'a');
  ASSERT_TRUE(eventually([&] { return fs::exists(record); }));
  RuntimeLife next(world);
  Stop stop = patience();
  EXPECT_EQ(textOf(next.runtime().cleanUp(stop)), "");
  EXPECT_THAT(next.runtime().list().value(), ::testing::ElementsAre(kUid));
  EXPECT_EQ(next.status("u1").shim_pid, shim);
  EXPECT_EQ(next.waitExit("u1", 'a').exit_code, 42);
  const auto b = next.waitFor("u1", 'b', [](const auto&) { return true; });
  EXPECT_TRUE(b.running);
  EXPECT_EQ(b.pid, running);
  EXPECT_THAT(next.log("u1", 'a'), HasSubstr("two"));
  std::string output;
  EXPECT_EQ(next.exec("u1", 'b', {"echo", "still here"}, &output).exit_code, 0);
  EXPECT_EQ(output, "still here\n");
  const size_t told = next.told("u1");
  ASSERT_TRUE(next.runtime().stopContainer(kUid, RuntimeLife::idOf('b'), SIGKILL, {}, stop));
  next.waitExit("u1", 'b');
  EXPECT_TRUE(eventually([&] { return next.told("u1") > told; })) << "the next daemon hears of exits too";
  destroy(next);
}

// Notes of which layers it gave leases.
class LeasedLayers : public fakes::FakeImages {
 public:
  Result<runtime::ImageLayers> openLayers(const runtime::Image& image) const override {
    opened = image.layer_chain_ids;
    auto held = std::make_shared<int>(0);
    lease = held;
    return runtime::ImageLayers{{}, std::move(held)};
  }
  mutable std::vector<std::string> opened;
  mutable std::weak_ptr<void> lease;
};

ROOT_TEST(Runtime, TheNextDaemonLeasesTheLayersOfARunningContainerWhoseImageIsRemoved) {
  const std::vector<std::string> layers = {"sha256:bottom", "sha256:top"};
  RuntimeLife life(world);
  makeSandbox(life);
  auto request = life.container("u1", 'a', "sleep 1000");
  auto image = std::make_shared<runtime::Image>(*request.image);
  image->layer_chain_ids = layers;
  request.image = image;
  Stop stop = patience();
  ASSERT_TRUE(life.runtime().startContainer(kUid, std::move(request), stop));

  runtime::NativeRuntimeOptions options;
  options.run_dir = world.scratch + "/run";
  options.state_dir = world.scratch + "/state";
  options.cgroups = life.cgroups();
  options.hierarchies = world.hierarchies;
  options.shim = life.shim();
  Loop loop;
  const LeasedLayers images;  // finds no image at all
  const auto next = runtime::NativeRuntime::open(options, loop, images);
  ASSERT_TRUE(next) << next.error().text;
  EXPECT_EQ(textOf((*next)->cleanUp(stop)), "");
  EXPECT_EQ(images.opened, layers);
  EXPECT_FALSE(images.lease.expired());
  ASSERT_TRUE((*next)->destroySandbox(kUid, stop).empty());
  EXPECT_TRUE(images.lease.expired());
}

ROOT_TEST(Runtime, AHungShimCostsTheStartOfTheDaemonSecondsOnly) {
  RuntimeLife life(world);
  makeSandbox(life);
  const int32_t shim = life.status("u1").shim_pid;
  ASSERT_EQ(::kill(shim, SIGSTOP), 0);
  Stop stop(std::chrono::seconds(10));
  EXPECT_EQ(textOf(life.runtime().cleanUp(stop)), "");
  EXPECT_FALSE(stop.expired());
  ASSERT_EQ(::kill(shim, SIGCONT), 0);
  EXPECT_EQ(life.status("u1").sandbox, SandboxPhase::kReady);
  destroy(life);
}

ROOT_TEST(Runtime, AStartWhoseAnswerIsLostLeavesNoContainer) {
  RuntimeLife life(world);
  makeSandbox(life);
  ASSERT_TRUE(start(life, 'c', "exit 0"));  // makes what stays for the pod's life
  life.waitExit("u1", 'c');
  const int32_t shim = life.status("u1").shim_pid;
  ASSERT_EQ(::kill(shim, SIGSTOP), 0);
  Stop stop(std::chrono::milliseconds(300));
  std::thread waker([&] {
    eventually([&] { return stop.expired(); });
    ::kill(shim, SIGCONT);
  });
  const auto lost = life.runtime().startContainer(kUid, life.container("u1", 'a', "sleep 1000"), stop);
  waker.join();
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, Code::kDeadlineExceeded) << lost.error().text;
  EXPECT_EQ(life.status("u1").containers.size(), 1u) << "the shim has forgotten it";
  destroy(life);
}

ROOT_TEST(Runtime, AKilledDaemonIsFollowedByOneThatCleansWhatItLeftHalfMade) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const pid_t daemon = ::fork();
  ASSERT_GE(daemon, 0);
  if (daemon == 0) {
    RuntimeLife life(world);
    makeSandbox(life);
    makeSandbox(life, "half");
    (void)start(life, 'a', "sleep 1000");
    (void)!::write(ends[1], "x", 1);
    ::kill(::getpid(), SIGKILL);
  }
  ::close(ends[1]);
  char byte = 0;
  ASSERT_EQ(::read(ends[0], &byte, 1), 1);
  ASSERT_EQ(::waitpid(daemon, nullptr, 0), daemon);

  // What a daemon killed in the middle of its work leaves: a sandbox not yet named, one without a folder, a
  // container not yet started, a folder of another boot.
  const std::string pods = world.scratch + "/run/pods/";
  fs::rename(pods + "half", pods + ".new-half-0011");
  fs::create_directories(pods + "old-boot");
  std::ofstream(pods + "old-boot/shim.pid") << "1 1 another-boot\n";
  fs::create_directories(world.scratch + "/state/containers/" + std::string(64, 'e') + "/upper/x");
  const std::string half_started = std::string(64, 'd');
  fs::create_directories(world.scratch + "/state/containers/" + half_started + "/upper");
  fs::copy_file(pods + "u1/plans/" + std::string(64, 'a'), pods + "u1/plans/" + half_started);
  ASSERT_TRUE(kernel::Cgroup::ensure(world.hierarchies, world.cgroup + "/kubepods/besteffort/podgone/c1"));

  RuntimeLife next(world);
  Stop stop = patience();
  EXPECT_EQ(textOf(next.runtime().cleanUp(stop)), "");
  EXPECT_THAT(next.runtime().list().value(), ::testing::ElementsAre(kUid));
  EXPECT_TRUE(next.waitFor("u1", 'a', [](const auto&) { return true; }).running);
  for (const char* gone : {"half", ".new-half-0011", "old-boot"})
    EXPECT_FALSE(fs::exists(pods + gone)) << gone;
  EXPECT_TRUE(fs::exists(world.scratch + "/state/containers/" + std::string(64, 'a')));
  EXPECT_FALSE(fs::exists(world.scratch + "/state/containers/" + std::string(64, 'e')));
  EXPECT_FALSE(fs::exists(world.scratch + "/state/containers/" + half_started));
  EXPECT_TRUE(runtime::listCgroups(world.hierarchies, world.cgroup + "/kubepods/besteffort")->empty());
  EXPECT_THAT(runtime::listCgroups(world.hierarchies, world.cgroup + "/keelson/shim").value(),
              ::testing::ElementsAre("u1"));
  destroy(next);
}

ROOT_TEST(Runtime, ALostShimTakesItsPodAlongAndTearDownLeavesNothing) {
  RuntimeLife life(world);
  makeSandbox(life, "warm");
  destroy(life, "warm");
  const MachineSnapshot before = life.snapshot();
  makeSandbox(life);
  ASSERT_TRUE(start(life, 'a', "exit 5"));
  life.waitExit("u1", 'a');
  ASSERT_TRUE(start(life, 'b', "trap '' TERM HUP; sleep 1000 & sleep 1000"));
  const size_t told = life.told("u1");
  ASSERT_EQ(::kill(life.status("u1").shim_pid, SIGKILL), 0);
  EXPECT_TRUE(eventually([&] { return life.told("u1") > told; })) << "the listener hears of it";

  const auto pod = life.status("u1");
  EXPECT_EQ(pod.sandbox, SandboxPhase::kLost);
  ASSERT_EQ(pod.containers.size(), 2u);
  EXPECT_EQ(pod.containers[0].exit_code, 5) << "its record outlives the shim";
  EXPECT_FALSE(pod.containers[1].running);
  EXPECT_EQ(pod.containers[1].exit_code, 137);
  EXPECT_THAT(pod.containers[1].error, HasSubstr("ShimLost"));
  const auto again = life.status("u1");
  EXPECT_EQ(again.containers[1].finished_at, pod.containers[1].finished_at) << "the answer stays the same";
  EXPECT_EQ(start(life, 'c', "true").error().code, Code::kFailedPrecondition);
  Stop stop = patience();
  EXPECT_EQ(life.runtime().openNetns(kUid, stop).error().code, Code::kFailedPrecondition);

  destroy(life);
  EXPECT_EQ(before.difference(life.snapshot()), "");
  makeSandbox(life);
  destroy(life);
}

ROOT_TEST(Runtime, TearDownKillsWhatIsFrozen) {
  RuntimeLife life(world);
  makeSandbox(life);
  ASSERT_TRUE(start(life, 'a', "sleep 1000"));
  const auto cgroup =
      kernel::Cgroup::open(world.hierarchies, life.sandbox("u1").cgroup.path + "/" + std::string(64, 'a'));
  ASSERT_TRUE(cgroup);
  ASSERT_TRUE(cgroup->write("", "cgroup.freeze", "1"));
  destroy(life);
  EXPECT_EQ(life.status("u1").sandbox, SandboxPhase::kAbsent);
}

ROOT_TEST(Runtime, TmpfsVolumesAreSharedByContainersAndSurviveThem) {
  RuntimeLife life(world);
  makeSandbox(life);
  Stop stop = patience();
  const auto dir = life.runtime().ensureTmpfs(kUid, "cache", 1 << 20, 0777, stop);
  ASSERT_TRUE(dir) << dir.error().text;
  ASSERT_TRUE(life.runtime().ensureTmpfs(kUid, "cache", 1 << 20, 0777, stop)) << "may run twice";
  const auto withCache = [&](char id, const std::string& script) {
    auto request = life.container("u1", id, script);
    runtime::OwnedMount mount;
    mount.plan.target = "/cache";
    mount.plan.source = runtime::MountSource::kPodTmpfs;
    mount.plan.tmpfs_name = "cache";
    request.mounts.push_back(std::move(mount));
    return life.runtime().startContainer(kUid, std::move(request), stop);
  };
  const auto writer = withCache('a', "echo kept > /cache/x");
  ASSERT_TRUE(writer) << writer.error().text;
  life.waitExit("u1", 'a');
  ASSERT_TRUE(withCache('b', "cat /cache/x"));
  life.waitExit("u1", 'b');
  EXPECT_THAT(life.log("u1", 'b'), HasSubstr("kept"));
  EXPECT_EQ(dir->readFile("x", 100).valueOr(""), "kept\n") << "the daemon reaches it through the descriptor";
  destroy(life);
}

ROOT_TEST(Runtime, APrivilegedContainerSeesTheHostsDevices) {
  RuntimeLife life(world);
  makeSandbox(life);
  auto request = life.container("u1", 'a', "ls -l /dev; touch /proc/sys/kernel/domainname && echo rw");
  request.plan.privileged = true;
  Stop stop = patience();
  const auto started = life.runtime().startContainer(kUid, std::move(request), stop);
  ASSERT_TRUE(started) << started.error().text;
  life.waitExit("u1", 'a');
  if (::access("/dev/kmsg", F_OK) == 0) {
    EXPECT_THAT(life.log("u1", 'a'), HasSubstr("kmsg"));
  }
  ASSERT_TRUE(start(life, 'b', "ls /dev"));
  life.waitExit("u1", 'b');
  EXPECT_THAT(life.log("u1", 'b'), Not(HasSubstr("kmsg")));
  destroy(life);
}

ROOT_TEST(Runtime, AMountOverDevGetsNoNodesOfOurs) {
  RuntimeLife life(world);
  makeSandbox(life);
  const std::string dev = world.scratch + "/own-dev";
  for (const char* dir : {"", "/pts", "/shm", "/mqueue"}) fs::create_directories(dev + dir);
  const UniqueFd host(::open(dev.c_str(), O_PATH | O_CLOEXEC));
  auto request = life.container("u1", 'a', "sleep 1000");
  request.plan.privileged = true;
  runtime::OwnedMount mount;
  mount.plan.target = "/dev/";
  mount.source = kernel::Mount::clone(host.get(), false)->release();
  request.mounts.push_back(std::move(mount));
  Stop stop = patience();
  (void)life.runtime().startContainer(kUid, std::move(request), stop);
  for (const auto& entry : fs::directory_iterator(dev)) {
    EXPECT_TRUE(entry.is_directory()) << entry.path() << " was made on the host";
  }
  destroy(life);
}

ROOT_TEST(Runtime, HostNetworkIsTheHostsNamespace) {
  RuntimeLife life(world);
  auto request = life.sandbox("u1");
  request.plan.namespaces.host_network = true;
  Stop stop = patience();
  const auto made = life.runtime().createSandbox(request, stop);
  ASSERT_TRUE(made) << made.error().text;
  makeSandbox(life, "own");
  struct stat host {
  }, of_pod{}, own{};
  ASSERT_EQ(::stat("/proc/self/ns/net", &host), 0);
  const auto netns = life.runtime().openNetns(kUid, stop);
  ASSERT_TRUE(netns) << netns.error().text;
  ASSERT_EQ(::fstat(netns->get(), &of_pod), 0);
  EXPECT_EQ(of_pod.st_ino, host.st_ino);
  ASSERT_EQ(::fstat(life.runtime().openNetns(PodUid("own"), stop)->get(), &own), 0);
  EXPECT_NE(own.st_ino, host.st_ino);
  destroy(life);
  destroy(life, "own");
}

ROOT_TEST(Runtime, CallsForOnePodFromManyThreadsQueue) {
  RuntimeLife life(world);
  makeSandbox(life);
  ASSERT_TRUE(start(life, 'a', "sleep 1000"));
  constexpr int kThreads = 6, kCalls = 5;
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int n = 0; n < kCalls; ++n) {
        const int code = t * kCalls + n;
        if (life.exec("u1", 'a', {"sh", "-c", fmt::format("exit {}", code)}, nullptr).exit_code == code)
          ++right;
        if (life.status("u1").sandbox != SandboxPhase::kReady) --right;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(right, kThreads * kCalls);
  destroy(life);
}

ROOT_TEST(Runtime, PodsAreMadeAndDestroyedSideBySide) {
  RuntimeLife life(world);
  makeSandbox(life, "warm");
  destroy(life, "warm");
  const MachineSnapshot before = life.snapshot();
  constexpr int kThreads = 4, kPods = 3;
  Guarded<std::vector<std::string>> errors;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int n = 0; n < kPods; ++n) {
        const std::string uid = fmt::format("p{}-{}", t, n);
        const auto note = [&](const std::string& text) {
          errors.with([&](auto& list) { list.push_back(uid + ": " + text); });
        };
        Stop stop = patience();
        if (auto made = life.runtime().createSandbox(life.sandbox(uid), stop); !made)
          return note(made.error().text);
        const char id = static_cast<char>('a' + t);  // ids are the node's, not the pod's
        if (auto ran = start(life, id, "sleep 1000", uid); !ran) return note(ran.error().text);
        const auto gone = life.runtime().destroySandbox(PodUid(uid), stop);
        if (!gone.empty()) return note(textOf(gone));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(errors.copy(), ::testing::IsEmpty());
  EXPECT_EQ(before.difference(life.snapshot()), "");
}

}  // namespace
}  // namespace keelson::test
