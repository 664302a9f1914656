// What a container can and cannot do: each rule by looking from inside.
#include <gmock/gmock.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <cstddef>
#include <filesystem>
#include <fstream>

#include "base/fs.h"
#include "tests/root/runtime/shim_client.h"

namespace keelson::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string outputOf(ShimPod& pod, const runtime::ContainerPlan& plan, std::vector<TestMount> mounts = {}) {
  pod.run(plan, std::move(mounts));
  return pod.log(plan.id);
}

ROOT_TEST(ShimSecurity, GivesExactlyThePlannedCapabilities) {
  ShimPod pod(world);
  auto plan = ShimPod::planFor("c1", "grep Cap /proc/self/status");
  plan.process.capabilities = 0x21;  // CHOWN, KILL
  EXPECT_EQ(outputOf(pod, plan),
            "CapInh:\t0000000000000000\nCapPrm:\t0000000000000021\nCapEff:\t0000000000000021\n"
            "CapBnd:\t0000000000000021\nCapAmb:\t0000000000000000\n");
}

ROOT_TEST(ShimSecurity, AHostDeviceMadeByMknodCannotBeOpened) {
  // A disk of the host: 7:0 is the first loop device, which any host may have and no container should read.
  const std::string script =
      "mknod /tmp/disk b 7 0 && cat /tmp/disk 2>&1; mknod /tmp/kmsg c 1 11 && echo x 2>&1 >/tmp/kmsg; cat "
      "/dev/null && "
      "head -c 2 /dev/zero >/dev/null && echo usable; cat /dev/mine >/dev/null && echo mine";
  for (const Told told : {Told::kAll, Told::kUnifiedOnly}) {
    if (told == Told::kUnifiedOnly && world.hierarchies.mode == kernel::CgroupMode::kV1) continue;
    ShimPod pod(world, {}, told);
    auto plan = ShimPod::planFor(told == Told::kAll ? "c1" : "c2", script);
    plan.devices = {{.path = "/dev/mine", .major = 1, .minor = 3}};
    EXPECT_EQ(outputOf(pod, plan),
              "cat: can't open '/tmp/disk': Operation not permitted\n"
              "sh: can't create /tmp/kmsg: Operation not permitted\nusable\nmine\n");
    std::filesystem::remove(pod.root() + "/tmp/disk");
    plan.id += "-privileged";
    plan.privileged = true;
    EXPECT_THAT(outputOf(pod, plan), Not(HasSubstr("not permitted")));
  }
}

ROOT_TEST(ShimSecurity, AUserWhoIsNotRootHasNoEffectiveCapability) {
  ShimPod pod(world);
  auto plan = ShimPod::planFor("c1", "id -u; id -g; id -G; grep -E 'Cap(Prm|Eff)' /proc/self/status");
  plan.process.uid = 1000, plan.process.gid = 2000, plan.process.groups = {3000, 4000};
  EXPECT_EQ(outputOf(pod, plan),
            "1000\n2000\n2000 3000 4000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n");
}

ROOT_TEST(ShimSecurity, AUserWhoIsNotRootCanReopenItsStandardFiles) {
  ShimPod pod(world);
  auto plan = ShimPod::planFor("c1", "echo again >/dev/stdout; echo two >/dev/stderr");
  plan.process.uid = 1000;
  const std::string log = outputOf(pod, plan);
  EXPECT_THAT(log, HasSubstr("again\n"));
  EXPECT_THAT(log, HasSubstr("two\n"));
}

ROOT_TEST(ShimSecurity, SetsNoNewPrivileges) {
  ShimPod pod(world);
  auto plan = ShimPod::planFor("c1", "grep NoNewPrivs /proc/self/status");
  EXPECT_EQ(outputOf(pod, plan), "NoNewPrivs:\t0\n");
  plan.id = "c2";
  plan.process.no_new_privileges = true;
  EXPECT_EQ(outputOf(pod, plan), "NoNewPrivs:\t1\n");
}

// Refuses mkdir with EXDEV, a code that no file system would give.
std::string filterWithoutMkdir() {
  const sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdir, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  return {reinterpret_cast<const char*>(program), sizeof program};
}

ROOT_TEST(ShimSecurity, InstallsTheSeccompFilterWithAndWithoutNoNewPrivileges) {
  ShimPod pod(world);
  for (const bool no_new_privileges : {false, true}) {
    auto plan = ShimPod::planFor(no_new_privileges ? "c1" : "c2",
                                 "mkdir /tmp/x 2>&1; grep -E 'Seccomp:|CapPrm' /proc/self/status");
    plan.process.seccomp_bpf = filterWithoutMkdir();
    plan.process.no_new_privileges = no_new_privileges;
    plan.process.capabilities = 0x1;
    const std::string log = outputOf(pod, plan);
    EXPECT_THAT(log, HasSubstr("Invalid cross-device link"));
    EXPECT_THAT(log, HasSubstr("Seccomp:\t2\n"));
    EXPECT_THAT(log, HasSubstr("CapPrm:\t0000000000000001\n"))
        << "CAP_SYS_ADMIN was kept only for the filter";
  }
}

ROOT_TEST(ShimSecurity, AReadOnlyRootRefusesWritesAndDevStaysWritable) {
  ShimPod pod(world);
  auto plan =
      ShimPod::planFor("c1", "touch /x 2>&1; touch /dev/y && echo dev; touch /dev/shm/z && echo shm; pwd");
  plan.read_only_root = true;
  plan.process.cwd = "/made/for/it";
  EXPECT_EQ(outputOf(pod, plan), "touch: /x: Read-only file system\ndev\nshm\n/made/for/it\n");
}

ROOT_TEST(ShimSecurity, MasksAndProtectsPaths) {
  ShimPod pod(world);
  std::filesystem::create_directory(pod.root() + "/secret");
  std::ofstream(pod.root() + "/secret/key") << "k";
  std::ofstream(pod.root() + "/file") << "content";
  auto plan =
      ShimPod::planFor("c1",
                       "ls /secret; touch /secret/a 2>&1; cat /file; echo x >/proc/sys/kernel/domainname; "
                       "cat /proc/kcore; ls /proc/acpi /sys/firmware 2>&1");
  plan.masked_paths = {"/secret", "/file", "/proc/kcore", "/proc/acpi", "/sys/firmware", "/not/there"};
  plan.read_only_paths = {"/proc/sys", "/nor/this"};
  const std::string log = outputOf(pod, plan);
  EXPECT_THAT(log, HasSubstr("touch: /secret/a: Read-only file system\n"));
  EXPECT_THAT(log, HasSubstr("can't create /proc/sys/kernel/domainname: Read-only file system\n"));
  EXPECT_THAT(log, Not(HasSubstr("key")));
  EXPECT_THAT(log, Not(HasSubstr("content")));
}

ROOT_TEST(ShimSecurity, AMaskIsNeverAFileOfTheImage) {
  // The image's own /dev/null as a link to what shall be hidden (CVE-2025-31133).
  ShimPod pod(world);
  std::filesystem::create_directory(pod.root() + "/dev");
  std::filesystem::create_symlink("/proc/sysrq-trigger", pod.root() + "/dev/null");
  auto plan = ShimPod::planFor("c1", "stat -c %F:%t:%T /proc/cpuinfo /dev/null");
  plan.masked_paths = {"/proc/cpuinfo"};
  EXPECT_EQ(outputOf(pod, plan), "character special file:1:3\ncharacter special file:1:3\n");
}

ROOT_TEST(ShimSecurity, RefusesAnImageThatMovesProcElsewhere) {
  ShimPod pod(world);
  std::filesystem::create_directory(pod.root() + "/elsewhere");
  std::filesystem::create_symlink("elsewhere", pod.root() + "/proc");
  const auto started = pod.start(ShimPod::planFor("c1", "true"));
  ASSERT_FALSE(started.ok());
  EXPECT_THAT(started.error().text, HasSubstr("mount proc"));
  EXPECT_EQ(started.error().code, Code::kInternal);
}

ROOT_TEST(ShimSecurity, NoDescriptorOfTheHostReachesTheContainer) {
  ShimPod pod(world);
  const std::string script =
      "for i in $(seq 0 64); do [ -e /proc/$$/fd/$i ] && echo -n \"$i \"; done; echo $(readlink "
      "/proc/$$/cwd)";
  EXPECT_EQ(outputOf(pod, ShimPod::planFor("c1", script)), "0 1 2 /\n");
  ASSERT_TRUE(pod.start(ShimPod::planFor("c2", "sleep 1000")).ok());
  EXPECT_EQ(pod.exec("c2", {"sh", "-c", script}).out, "0 1 2 /\n");
}

ROOT_TEST(ShimSecurity, AWorkingDirectoryThroughDescriptorsIsRefused) {
  // CVE-2024-21626: a directory of the host that is still open in the init.
  ShimPod pod(world);
  for (int fd = 3; fd < 24; ++fd) {
    auto plan = ShimPod::planFor("c" + std::to_string(fd), "pwd");
    plan.process.cwd = "/proc/self/fd/" + std::to_string(fd);
    EXPECT_FALSE(pod.start(plan).ok()) << plan.process.cwd;
  }
}

ROOT_TEST(ShimSecurity, VolumeTargetsNeverLeaveTheRoot) {
  ShimPod pod(world);
  const std::string outside = world.scratch + "/outside";
  std::filesystem::create_directory(outside);
  std::filesystem::create_symlink(outside, pod.root() + "/absolute");
  std::filesystem::create_symlink("../../../../../../.." + outside + "/b", pod.root() + "/relative");
  std::filesystem::create_symlink("/run", pod.root() + "/var-run");
  auto plan =
      ShimPod::planFor("c1", "touch /absolute/v/a /relative/v/b /var-run/secrets/c && ls /run/secrets");
  std::vector<TestMount> mounts;
  for (const char* target : {"/absolute/v", "/relative/v", "/var-run/secrets"}) {
    const std::string source = world.scratch + "/volume" + std::to_string(mounts.size());
    std::filesystem::create_directory(source);
    mounts.push_back({{.target = target}, ShimPod::cloneOf(source)});
  }
  EXPECT_EQ(outputOf(pod, plan, std::move(mounts)), "c\n");
  EXPECT_TRUE(std::filesystem::is_empty(outside));
  EXPECT_TRUE(std::filesystem::exists(world.scratch + "/volume0/a"));
}

ROOT_TEST(ShimSecurity, TheInitOfASharedPidNamespaceHasNothingToTake) {
  runtime::SandboxPlan sandbox;
  sandbox.namespaces.share_pid = true;
  ShimPod pod(world, sandbox);
  auto plan = ShimPod::planFor(
      "c1",
      "cat /proc/1/comm; grep -E 'Uid|CapPrm|CapBnd|NoNewPrivs|Seccomp:' /proc/1/status; "
      "readlink /proc/1/ns/net; readlink /proc/self/ns/net; ls /proc/1/root/ 2>&1; ls /proc/1/fd");
  plan.process.capabilities = ~0ull;
  const std::string log = outputOf(pod, plan);
  EXPECT_THAT(log, HasSubstr("keelson-init\n"));
  EXPECT_THAT(log, HasSubstr("Uid:\t65535\t65535\t65535\t65535\n"));
  EXPECT_THAT(
      log, HasSubstr("CapPrm:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t1\n"));
  EXPECT_THAT(log, Not(HasSubstr("proc\n"))) << "its root is empty";
}

ROOT_TEST(ShimSecurity, APodWhoseSharedInitDiesIsLost) {
  runtime::SandboxPlan sandbox;
  sandbox.namespaces.share_pid = true;
  ShimPod pod(world, sandbox);
  ASSERT_TRUE(pod.start(ShimPod::planFor("c1", "sleep 1000")).ok());
  const auto inits = pod.childrenNamed("keelson-init");
  ASSERT_EQ(inits.size(), 1u);
  ASSERT_EQ(kill(inits[0], SIGKILL), 0);
  EXPECT_TRUE(pod.shim().waitEnd(kPatience).ok());
}

ROOT_TEST(ShimSecurity, ACommandIsNeverSeenOutsideOfTheContainer) {
  // The container looks into the root of whatever appears in its /proc; only the shim's root has /tmpfs.
  ShimPod pod(world);
  auto plan =
      ShimPod::planFor("c1",
                       "touch /mark; echo ready; while [ ! -e /tmp/end ]; do for p in /proc/[0-9]*; do "
                       "[ -e $p/root/tmpfs ] && echo leak; done; done");
  plan.process.capabilities = ~0ull;
  ASSERT_TRUE(pod.start(plan).ok());
  pod.waitLog("c1", "ready");
  for (int i = 0; i < 50; ++i) ASSERT_EQ(pod.exec("c1", {"true"}).outcome.exit_code, 0);
  ASSERT_EQ(pod.exec("c1", {"touch", "/tmp/end"}).outcome.exit_code, 0);
  pod.waitExit("c1");
  EXPECT_EQ(pod.log("c1"), "ready\n");
}

ROOT_TEST(ShimSecurity, AVolumeAtDevIsReadOnlyWhenAskedAndGetsNothingInside) {
  ShimPod pod(world);
  const std::string source = world.scratch + "/dev";
  for (const char* name : {"/pts", "/shm", "/mqueue"}) std::filesystem::create_directories(source + name);
  std::vector<TestMount> mounts;
  mounts.push_back({{.target = "/dev", .read_only = true}, ShimPod::cloneOf(source)});
  auto plan = ShimPod::planFor("c1", "ls /dev; touch /dev/x 2>&1; grep -c ' /dev/' /proc/self/mounts");
  EXPECT_EQ(outputOf(pod, plan, std::move(mounts)),
            "mqueue\npts\nshm\ntouch: /dev/x: Read-only file system\n0\n");
}

ROOT_TEST(ShimSecurity, RefusesAVolumeInsideOfProc) {
  ShimPod pod(world);
  std::vector<TestMount> mounts;
  mounts.push_back({{.target = "/proc/sys"}, ShimPod::cloneOf(world.scratch)});
  const auto started = pod.start(ShimPod::planFor("c1", "true"), std::move(mounts));
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().code, Code::kInvalidArgument);
  EXPECT_THAT(started.error().text, HasSubstr("proc file system"));
}

ROOT_TEST(ShimSecurity, AHostIpcPodHasTheHostsSharedMemory) {
  runtime::SandboxPlan sandbox;
  sandbox.namespaces.host_ipc = true;
  const std::string shared = "/dev/shm/keelson-test-" + std::to_string(getpid());
  std::ofstream(shared) << "host\n";
  ShimPod pod(world, sandbox);
  EXPECT_EQ(outputOf(pod, ShimPod::planFor("c1", "cat " + shared)), "host\n");
  std::filesystem::remove(shared);
}

ROOT_TEST(ShimSecurity, PrivilegedContainersWriteToSysAndSeeNoMask) {
  ShimPod pod(world);
  auto plan = ShimPod::planFor(
      "c1",
      "grep -E ' /(sys|sys/fs/cgroup/.*|proc/sys) ' /proc/self/mounts | while read a b c d e; do "
      "echo $b ${d%%,*}; done; grep CapEff /proc/self/status");
  plan.privileged = true;
  plan.process.capabilities = ~0ull;
  plan.masked_paths = {"/proc/kcore"};
  plan.read_only_paths = {"/proc/sys"};
  const std::string log = outputOf(pod, plan);
  EXPECT_THAT(log, HasSubstr("/sys rw\n"));
  EXPECT_THAT(log, Not(HasSubstr(" ro\n")));
  EXPECT_THAT(log, Not(HasSubstr("/proc/sys")));
}

}  // namespace
}  // namespace keelson::test
