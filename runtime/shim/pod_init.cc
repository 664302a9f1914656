#include "runtime/shim/pod_init.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <climits>

#include "runtime/shim/own_root.h"
#include "runtime/shim/syscalls.h"

namespace keelson::runtime::shim {
namespace {

constexpr uid_t kPodInitUser = 65535;  // as the pause container of Kubernetes
constexpr int kLife = 0, kReady = 1;
constexpr int kReadyTimeoutMs = 10'000;

Result<void> dropEverything() {
  for (int capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; ++capability) {
  }
  if (syscall(SYS_setgroups, 0, nullptr) < 0) return sysError("setgroups");
  if (syscall(SYS_setresgid, kPodInitUser, kPodInitUser, kPodInitUser) < 0) return sysError("setgid");
  if (syscall(SYS_setresuid, kPodInitUser, kPodInitUser, kPodInitUser) < 0) return sysError("setuid");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return sysError("no_new_privs");
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return sysError("dumpable");
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) return sysError("pdeathsig");
  return {};
}

Result<void> becomePodInit(int life, int ready, int net, int ipc, int uts) {
  for (const int fd : {net, ipc, uts})
    if (setns(fd, 0) < 0) return sysError("setns");
  if (unshare(CLONE_NEWCGROUP) < 0) return sysError("unshare cgroup namespace");
  TRY(enterEmptyRoot(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV));
  if (dup2(life, kLife) < 0 || dup2(ready, kReady) < 0 || close_range(kReady + 1, UINT_MAX, 0) < 0)
    return sysError("descriptors");
  prctl(PR_SET_NAME, "keelson-init", 0, 0, 0);
  setsid();
  // An ignored SIGCHLD makes the kernel reap (wait(2), NOTES), children that it inherits included.
  signal(SIGCHLD, SIG_IGN);
  return dropEverything();
}

[[noreturn]] void runPodInit(int life, int ready, int net, int ipc, int uts) {
  auto became = becomePodInit(life, ready, net, ipc, uts);
  if (!became) {
    [[maybe_unused]] const ssize_t sent =
        write(ready, became.error().text.data(), became.error().text.size());
    _exit(1);
  }
  // Nothing written and closed: it is ready.
  close(kReady);
  prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
  char byte = 0;
  while (syscall(SYS_read, kLife, &byte, 1) != 0) {
  }
  syscall(SYS_exit, 0);  // strict mode knows no exit_group
  __builtin_unreachable();
}

}  // namespace

Result<PodInit> startPodInit(int net, int ipc, int uts, int proc) {
  int life[2], ready[2];
  if (pipe2(life, O_CLOEXEC) < 0) return sysError("pipe");
  UniqueFd life_read(life[0]), life_write(life[1]);
  if (pipe2(ready, O_CLOEXEC) < 0) return sysError("pipe");
  UniqueFd ready_read(ready[0]), ready_write(ready[1]);
  const pid_t child = cloneProcess(CLONE_NEWPID);
  if (child < 0) return sysError("clone3");
  if (child == 0) runPodInit(life_read.get(), ready_write.get(), net, ipc, uts);
  ready_write.reset();
  PodInit made;
  made.pid = child;
  made.life = std::move(life_write);
  const std::string path = std::to_string(child) + "/ns/pid";
  made.pid_namespace = UniqueFd(openat(proc, path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!made.pid_namespace) return sysError("open {}", path);
  char text[512];
  pollfd wait{ready_read.get(), POLLIN, 0};
  if (poll(&wait, 1, kReadyTimeoutMs) <= 0)
    return makeError(Code::kDeadlineExceeded, "its init is not ready");
  const ssize_t got = read(ready_read.get(), text, sizeof text);
  if (got > 0) return Error{Code::kInternal, 0, "its init: " + std::string(text, static_cast<size_t>(got))};
  return made;
}

}  // namespace keelson::runtime::shim
