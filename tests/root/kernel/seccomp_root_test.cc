// The compiled programs under the real kernel.
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "kernel/caps.h"
#include "kernel/seccomp.h"
#include "tests/root/fixture.h"

namespace keelson::kernel {
namespace {

constexpr int kNotLoaded = 254;

// The errno (0: none) of `call` in a child under `program`.
template <class Call>
int errnoUnder(const std::string& program, Call call) {
  const pid_t pid = fork();
  if (pid == 0) {
    sock_fprog filter{};
    filter.len = static_cast<unsigned short>(program.size() / sizeof(sock_filter));
    filter.filter = reinterpret_cast<sock_filter*>(const_cast<char*>(program.data()));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(kNotLoaded);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0) _exit(kNotLoaded);
    _exit(call() >= 0 ? 0 : errno);
  }
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

ROOT_TEST(SeccompRoot, RuntimeDefaultIsTakenAndEnforced) {
  const auto program = runtimeDefaultSeccomp(kDefaultCapabilities);
  ASSERT_TRUE(program.ok()) << program.error().text;
  const std::string& bpf = program.value();
  EXPECT_EQ(errnoUnder(bpf, [] { return syscall(SYS_getpid); }), 0);
  EXPECT_EQ(errnoUnder(bpf, [] { return syscall(SYS_mount, "none", "/", "tmpfs", 0, nullptr); }), EPERM);
  EXPECT_EQ(errnoUnder(bpf, [] { return syscall(SYS_clone3, nullptr, 0); }), ENOSYS);
  EXPECT_EQ(errnoUnder(bpf, [] { return syscall(SYS_unshare, CLONE_NEWUSER); }), EPERM);
  EXPECT_EQ(errnoUnder(bpf, [] { return syscall(SYS_socket, AF_VSOCK, SOCK_STREAM, 0); }), EPERM);
  EXPECT_EQ(errnoUnder(bpf, [] { return syscall(600); }), ENOSYS);
  EXPECT_EQ(errnoUnder(bpf,
                       [] {
                         const pid_t child = fork();
                         if (child == 0) _exit(0);
                         return waitpid(child, nullptr, 0);
                       }),
            0);
}

ROOT_TEST(SeccompRoot, EverySetOfCapabilitiesGivesAProgramTheKernelTakes) {
  for (const uint64_t capabilities : {uint64_t{0}, kDefaultCapabilities, ~uint64_t{0}}) {
    const auto program = runtimeDefaultSeccomp(capabilities);
    ASSERT_TRUE(program.ok()) << program.error().text;
    EXPECT_EQ(errnoUnder(program.value(), [] { return syscall(SYS_getpid); }), 0);
  }
}

ROOT_TEST(SeccompRoot, LocalhostProfileIsTakenAndEnforced) {
  const auto program = compileSeccompProfile(
      R"({"defaultAction": "SCMP_ACT_ALLOW",
          "syscalls": [{"names": ["sethostname"], "action": "SCMP_ACT_ERRNO", "errnoRet": 61}]})",
      0);
  ASSERT_TRUE(program.ok()) << program.error().text;
  EXPECT_EQ(errnoUnder(program.value(), [] { return sethostname("x", 1); }), 61);
  EXPECT_EQ(errnoUnder(program.value(), [] { return syscall(SYS_getpid); }), 0);
}

}  // namespace
}  // namespace keelson::kernel
