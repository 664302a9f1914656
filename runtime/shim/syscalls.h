// System calls that glibc 2.36 does not wrap.
#pragma once

#include <linux/sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>

namespace keelson::runtime::shim {

// clone3(2) as a fork: the child goes on here with 0, on copied memory. Only for single-threaded processes,
// as everything in this folder is; glibc's idea of the thread id stays the parent's, so the child must not
// raise(3). The pidfd, if `pidfd` is given, is close-on-exec. -1 and errno.
inline pid_t cloneProcess(uint64_t flags, int* pidfd = nullptr, int cgroup = -1) {
  clone_args args{};
  args.flags = flags;
  args.exit_signal = SIGCHLD;
  if (pidfd != nullptr) {
    args.flags |= CLONE_PIDFD;
    args.pidfd = reinterpret_cast<uint64_t>(pidfd);
  }
  if (cgroup >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(cgroup);
  }
  return static_cast<pid_t>(syscall(SYS_clone3, &args, sizeof args));
}

}  // namespace keelson::runtime::shim
