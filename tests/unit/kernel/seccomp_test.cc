#include "kernel/seccomp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>

#include "kernel/caps.h"
#include "kernel/seccomp_profile.h"
#include "tests/unit/kernel/bpf_machine.h"

namespace keelson::kernel {
namespace {

using test::makeCall;
using test::runFilter;
using ::testing::HasSubstr;

constexpr uint64_t kSysAdmin = 1ull << 21;
constexpr uint64_t kSysPtrace = 1ull << 19;
#if defined(__x86_64__)
constexpr uint32_t kArch = AUDIT_ARCH_X86_64;
#else
constexpr uint32_t kArch = AUDIT_ARCH_AARCH64;
#endif

constexpr uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr uint32_t refusal(uint32_t err) { return SECCOMP_RET_ERRNO | err; }

std::string defaultFor(uint64_t capabilities) {
  auto program = runtimeDefaultSeccomp(capabilities);
  EXPECT_TRUE(program.ok()) << program.error().text;
  return program ? program.value() : std::string();
}

struct CallCase {
  const char* what;
  int number;
  std::initializer_list<uint64_t> args;
  uint32_t expected;
};

TEST(RuntimeDefaultSeccomp, DecidesAsDockerForAnOrdinaryContainer) {
  const std::string program = defaultFor(kDefaultCapabilities);
  const CallCase cases[] = {
      {"read", SYS_read, {}, kAllow},
      {"getpid", SYS_getpid, {}, kAllow},
      {"execveat", SYS_execveat, {}, kAllow},
      {"openat2", SYS_openat2, {}, kAllow},
      {"ptrace", SYS_ptrace, {}, kAllow},
      {"chroot by its default capability", SYS_chroot, {}, kAllow},
      {"mount", SYS_mount, {}, refusal(EPERM)},
      {"fsopen", SYS_fsopen, {}, refusal(EPERM)},
      {"unshare", SYS_unshare, {CLONE_NEWUSER}, refusal(EPERM)},
      {"setns", SYS_setns, {}, refusal(EPERM)},
      {"bpf", SYS_bpf, {}, refusal(EPERM)},
      {"reboot", SYS_reboot, {}, refusal(EPERM)},
      {"keyctl", SYS_keyctl, {}, refusal(EPERM)},
      {"io_uring_setup", SYS_io_uring_setup, {}, refusal(EPERM)},
      {"userfaultfd", SYS_userfaultfd, {}, refusal(EPERM)},
      {"kexec_load", SYS_kexec_load, {}, refusal(EPERM)},
      {"open_by_handle_at", SYS_open_by_handle_at, {}, refusal(EPERM)},
      {"kcmp", SYS_kcmp, {}, refusal(EPERM)},
      {"clone of a thread", SYS_clone, {CLONE_VM | CLONE_THREAD | CLONE_SIGHAND}, kAllow},
      {"clone with a user namespace", SYS_clone, {CLONE_NEWUSER}, refusal(EPERM)},
      {"clone with a mount namespace", SYS_clone, {CLONE_NEWNS | SIGCHLD}, refusal(EPERM)},
      {"clone3", SYS_clone3, {}, refusal(ENOSYS)},
      {"personality of Linux", SYS_personality, {0}, kAllow},
      {"personality asked", SYS_personality, {0xffffffff}, kAllow},
      {"personality without address randomisation", SYS_personality, {0x0040000}, refusal(EPERM)},
      {"socket inet", SYS_socket, {AF_INET}, kAllow},
      {"socket netlink", SYS_socket, {AF_NETLINK}, kAllow},
      {"socket alg", SYS_socket, {AF_ALG}, refusal(EPERM)},
      {"socket nfc", SYS_socket, {AF_NFC}, kAllow},
      {"socket vsock", SYS_socket, {AF_VSOCK}, refusal(EPERM)},
      {"socket xdp", SYS_socket, {AF_XDP}, kAllow},
      {"a call of the future", 600, {}, refusal(ENOSYS)},
  };
  for (const CallCase& each : cases) {
    EXPECT_EQ(runFilter(program, makeCall(kArch, each.number, each.args)), each.expected) << each.what;
  }
}

TEST(RuntimeDefaultSeccomp, OpensWithCapabilities) {
  const std::string admin = defaultFor(kDefaultCapabilities | kSysAdmin);
  for (const int number : {SYS_mount, SYS_unshare, SYS_clone3, SYS_bpf, SYS_fsopen, SYS_setns}) {
    EXPECT_EQ(runFilter(admin, makeCall(kArch, number)), kAllow) << number;
  }
  EXPECT_EQ(runFilter(admin, makeCall(kArch, SYS_clone, {CLONE_NEWUSER})), kAllow);
  EXPECT_EQ(runFilter(admin, makeCall(kArch, SYS_kcmp)), refusal(EPERM));
  EXPECT_EQ(runFilter(defaultFor(kSysPtrace), makeCall(kArch, SYS_kcmp)), kAllow);
  EXPECT_EQ(runFilter(defaultFor(0), makeCall(kArch, SYS_chroot)), refusal(EPERM));
}

#if defined(__x86_64__)
TEST(RuntimeDefaultSeccomp, CoversThe32BitAndX32CallsOfTheMachine) {
  const std::string program = defaultFor(kDefaultCapabilities);
  EXPECT_EQ(runFilter(program, makeCall(AUDIT_ARCH_I386, 20 /* getpid */)), kAllow);
  EXPECT_EQ(runFilter(program, makeCall(AUDIT_ARCH_I386, 21 /* mount */)), refusal(EPERM));
  EXPECT_EQ(runFilter(program, makeCall(AUDIT_ARCH_I386, 600)), refusal(ENOSYS));
  constexpr int kX32 = 0x40000000;
  EXPECT_EQ(runFilter(program, makeCall(AUDIT_ARCH_X86_64, kX32 + SYS_getpid)), kAllow);
  EXPECT_EQ(runFilter(program, makeCall(AUDIT_ARCH_X86_64, kX32 + SYS_mount)), refusal(EPERM));
  EXPECT_EQ(runFilter(program, makeCall(AUDIT_ARCH_X86_64, kX32 + 900)), refusal(ENOSYS));
  EXPECT_EQ(runFilter(program, makeCall(AUDIT_ARCH_AARCH64, 1)),
            static_cast<uint32_t>(SECCOMP_RET_KILL_THREAD));
}
#endif

TEST(RuntimeDefaultSeccomp, GivesTheSameProgramForCapabilitiesThatDoNotMatter) {
  EXPECT_EQ(defaultFor(kDefaultCapabilities), defaultFor(1ull << 18));
  EXPECT_NE(defaultFor(kDefaultCapabilities), defaultFor(kDefaultCapabilities | kSysAdmin));
}

uint32_t decide(const std::string& profile, int number, std::initializer_list<uint64_t> args = {},
                uint64_t capabilities = 0) {
  auto program = compileSeccompProfile(profile, capabilities);
  EXPECT_TRUE(program.ok()) << program.error().text;
  return program ? runFilter(program.value(), makeCall(kArch, number, args)) : 0;
}

TEST(SeccompProfileJson, CompilesOciProfiles) {
  const std::string profile = R"({
    "defaultAction": "SCMP_ACT_ALLOW",
    "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
    "flags": ["SECCOMP_FILTER_FLAG_LOG"],
    "syscalls": [
      {"names": ["mkdir", "mkdirat", "no_such_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13},
      {"names": ["ptrace"], "action": "SCMP_ACT_KILL_PROCESS"},
      {"names": ["keyctl"], "action": "SCMP_ACT_LOG"},
      {"names": ["kcmp"], "action": "SCMP_ACT_ERRNO"}
    ]})";
  EXPECT_EQ(decide(profile, SYS_mkdirat), refusal(EACCES));
  EXPECT_EQ(decide(profile, SYS_ptrace), static_cast<uint32_t>(SECCOMP_RET_KILL_PROCESS));
  EXPECT_EQ(decide(profile, SYS_keyctl), static_cast<uint32_t>(SECCOMP_RET_LOG));
  EXPECT_EQ(decide(profile, SYS_kcmp), refusal(EPERM));
  EXPECT_EQ(decide(profile, SYS_read), kAllow);
  EXPECT_EQ(decide(profile, 600), kAllow);
}

TEST(SeccompProfileJson, ComparesArguments) {
  const auto with = [](const std::string& args) {
    return R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["socket", "write"], "action": "SCMP_ACT_ALLOW", "args": )" +
           args + "}]}";
  };
  struct Case {
    std::string args;
    uint64_t value;
    bool allowed;
  };
  const std::string large = R"([{"index": 1, "value": 18446744073709551615, "op": "SCMP_CMP_EQ"}])";
  const Case cases[] = {
      {R"([{"index": 1, "value": 5, "op": "SCMP_CMP_EQ"}])", 5, true},
      {R"([{"index": 1, "value": 5, "op": "SCMP_CMP_NE"}])", 5, false},
      {R"([{"index": 1, "value": 5, "op": "SCMP_CMP_LT"}])", 4, true},
      {R"([{"index": 1, "value": 5, "op": "SCMP_CMP_LE"}])", 5, true},
      {R"([{"index": 1, "value": 5, "op": "SCMP_CMP_GE"}])", 4, false},
      {R"([{"index": 1, "value": 5, "op": "SCMP_CMP_GT"}])", uint64_t{1} << 40, true},
      {R"([{"index": 1, "value": 12, "valueTwo": 4, "op": "SCMP_CMP_MASKED_EQ"}])", 5, true},
      {R"([{"index": 1, "value": 12, "valueTwo": 4, "op": "SCMP_CMP_MASKED_EQ"}])", 13, false},
      {large, ~uint64_t{0}, true},
      {large, ~uint32_t{0}, false},
      // two on one argument: either
      {R"([{"index": 1, "value": 5, "op": "SCMP_CMP_EQ"}, {"index": 1, "value": 7, "op": "SCMP_CMP_EQ"}])", 7,
       true},
      {R"([{"index": 1, "value": 5, "op": "SCMP_CMP_EQ"}, {"index": 1, "value": 7, "op": "SCMP_CMP_EQ"}])", 6,
       false},
      // on two arguments: both
      {R"([{"index": 1, "value": 5, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 7, "op": "SCMP_CMP_EQ"}])", 5,
       false},
  };
  for (const Case& each : cases) {
    EXPECT_EQ(decide(with(each.args), SYS_write, {0, each.value}), each.allowed ? kAllow : refusal(EPERM))
        << each.args << " of " << each.value;
  }
}

TEST(SeccompProfileJson, ChoosesDockersConditionalRules) {
  const std::string profile = R"({
    "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
    "archMap": [{"architecture": "SCMP_ARCH_NO_SUCH", "subArchitectures": null},
                {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
                {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}],
    "syscalls": [
      {"name": "read", "action": "SCMP_ACT_ALLOW"},
      {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
      {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
      {"names": ["kcmp"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64", "arm64"]}},
      {"names": ["acct"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["s390x"]}},
      {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
      {"names": ["setns"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "99.0"}}
    ]})";
  EXPECT_EQ(decide(profile, SYS_read), kAllow);
  EXPECT_EQ(decide(profile, SYS_mount), refusal(EPERM));
  EXPECT_EQ(decide(profile, SYS_mount, {}, kSysAdmin), kAllow);
  EXPECT_EQ(decide(profile, SYS_clone3), refusal(ENOSYS));
  EXPECT_EQ(decide(profile, SYS_kcmp), kAllow);
  EXPECT_EQ(decide(profile, SYS_acct), refusal(EPERM));
  EXPECT_EQ(decide(profile, SYS_ptrace), kAllow);
  EXPECT_EQ(decide(profile, SYS_setns), refusal(EPERM));
}

TEST(SeccompProfileJson, NamesTheFieldThatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {R"([])", "expected an object"},
      {R"({)", "seccomp profile"},
      {R"({})", "defaultAction"},
      {R"({"defaultAction": "ALLOW"})", "defaultAction"},
      {R"({"defaultAction": "SCMP_ACT_NOTIFY"})", "defaultAction"},
      {R"({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 5000})", "defaultErrnoRet"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["X86"]})", "architectures[0]"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_VAX"]})", "architectures[0]"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": {}})", "syscalls"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [7]})", "syscalls[0]"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_ERRNO"}]})",
       "syscalls[0].names"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read", 1], "action": "SCMP_ACT_ERRNO"}]})",
       "syscalls[0].names[1]"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"]}]})", "syscalls[0].action"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]}]})",
       "syscalls[0].args[0].index"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}]}]})",
       "syscalls[0].args[0].value"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 1, "op": "EQ"}]}]})",
       "syscalls[0].args[0].op"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "includes": {"caps": ["CAP_FLY"]}}]})",
       "syscalls[0].includes.caps[0]"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "excludes": {"minKernel": "new"}}]})",
       "syscalls[0].excludes.minKernel"},
  };
  for (const auto& [profile, field] : cases) {
    auto program = compileSeccompProfile(profile, 0);
    ASSERT_FALSE(program.ok()) << profile;
    EXPECT_EQ(program.error().code, Code::kInvalidArgument) << profile;
    EXPECT_THAT(program.error().text, HasSubstr(field)) << profile;
  }
}

}  // namespace
}  // namespace keelson::kernel
