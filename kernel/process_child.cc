#include "kernel/process_child.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "kernel/cgroup.h"

// The child shares memory and thread-local storage with the sleeping parent, so it must not be instrumented.
#define KEELSON_RAW __attribute__((no_sanitize("address", "thread", "undefined")))

namespace keelson::kernel {
namespace {

constexpr int kSignals = 64;
constexpr rlim_t kDefaultOpenFiles = 1024;  // systemd's and the kernel's soft default

struct KernelSigaction {  // of rt_sigaction(2), not glibc's
  void* handler;
  unsigned long flags;
  void* restorer;
  uint64_t mask;
};

[[noreturn]] KEELSON_RAW void fail(SpawnWork* work, SpawnStage stage, int err) {
  work->failed_errno = err;
  work->failed_stage = stage;
  while (true) syscall(SYS_exit_group, 127);
}

// EACCES: below the inherited minimum without CAP_SYS_RESOURCE; a courtesy then, not a failure (proc(5)).
KEELSON_RAW void writeOomScore(SpawnWork* work) {
  const long fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) fail(work, SpawnStage::kOomScore, errno);
  if (syscall(SYS_write, fd, work->oom_score_adj, work->oom_score_adj_size) < 0 && errno != EACCES) {
    fail(work, SpawnStage::kOomScore, errno);
  }
  syscall(SYS_close, fd);
}

// Sources and targets may overlap in any way, so all are first moved above every target.
KEELSON_RAW void arrangeDescriptors(SpawnWork* work) {
  const long above = work->source_count;
  for (int i = 0; i < work->source_count; ++i) {
    const long moved = syscall(SYS_fcntl, work->sources[i], F_DUPFD_CLOEXEC, above);
    if (moved < 0) fail(work, SpawnStage::kDescriptors, errno);
    work->moved[i] = static_cast<int>(moved);
  }
  const long executable = syscall(SYS_fcntl, work->executable, F_DUPFD_CLOEXEC, above);
  if (executable < 0) fail(work, SpawnStage::kDescriptors, errno);
  work->executable = static_cast<int>(executable);
  for (int i = 0; i < work->source_count; ++i) {
    if (syscall(SYS_dup3, work->moved[i], i, 0) < 0) fail(work, SpawnStage::kDescriptors, errno);
  }
  // Closed by exec rather than here: the executable is among them.
  if (syscall(SYS_close_range, above, UINT_MAX, CLOSE_RANGE_CLOEXEC) < 0) {
    fail(work, SpawnStage::kDescriptors, errno);
  }
}

KEELSON_RAW void resetRlimits(SpawnWork* work) {
  rlimit limit{};
  if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &limit) < 0) fail(work, SpawnStage::kRlimits, errno);
  limit.rlim_cur = limit.rlim_max < kDefaultOpenFiles ? limit.rlim_max : kDefaultOpenFiles;
  if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, nullptr) < 0) fail(work, SpawnStage::kRlimits, errno);
}

// Ignored signals would survive exec: every disposition is reset. All signals are blocked meanwhile.
KEELSON_RAW void resetSignals(SpawnWork* work) {
  const KernelSigaction reset{};
  for (int signal = 1; signal <= kSignals; ++signal) {
    if (syscall(SYS_rt_sigaction, signal, &reset, nullptr, sizeof reset.mask) < 0 && errno != EINVAL) {
      fail(work, SpawnStage::kSignals, errno);
    }
  }
  const uint64_t none = 0;
  if (syscall(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &none, nullptr, sizeof none) < 0) {
    fail(work, SpawnStage::kSignals, errno);
  }
}

}  // namespace

KEELSON_RAW void runSpawnChild(SpawnWork* work) {
  const int err = joinV1Raw(work->v1_cgroups, work->v1_cgroup_count);
  if (err != 0) fail(work, SpawnStage::kCgroup, err);
  if (work->new_session && syscall(SYS_setsid) < 0) fail(work, SpawnStage::kSession, errno);
  writeOomScore(work);
  arrangeDescriptors(work);
  resetRlimits(work);
  resetSignals(work);
  syscall(SYS_execveat, work->executable, "", work->argv, work->envp, AT_EMPTY_PATH);
  fail(work, SpawnStage::kExec, errno);
}

KEELSON_RAW long cloneOntoStack(const CloneRequest& request, SpawnWork* work) {
  clone_args args{};
  args.flags = request.flags;
  args.pidfd = request.pidfd_address;
  args.exit_signal = request.exit_signal;
  args.stack = request.stack;
  args.stack_size = request.stack_size;
  args.cgroup = request.cgroup;
  long result;
  // The child wakes with an empty stack: it must not return through this frame, so it calls at once.
#if defined(__x86_64__)
  register SpawnWork* kept __asm__("r12") = work;
  register void (*child)(SpawnWork*) __asm__("r13") = runSpawnChild;
  __asm__ volatile(
      "syscall\n\t"
      "testq %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xorl %%ebp, %%ebp\n\t"
      "movq %[kept], %%rdi\n\t"
      "callq *%[child]\n\t"
      "hlt\n"
      "1:"
      : "=a"(result)
      : "0"(static_cast<long>(SYS_clone3)), "D"(&args), "S"(sizeof args), [kept] "r"(kept), [child] "r"(child)
      : "rcx", "r11", "memory", "cc");
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = SYS_clone3;
  register void* x0 __asm__("x0") = &args;
  register long x1 __asm__("x1") = sizeof args;
  register SpawnWork* kept __asm__("x20") = work;
  register void (*child)(SpawnWork*) __asm__("x21") = runSpawnChild;
  __asm__ volatile(
      "svc #0\n\t"
      "cbnz x0, 1f\n\t"
      "mov x29, xzr\n\t"
      "mov x30, xzr\n\t"
      "mov x0, x20\n\t"
      "blr x21\n\t"
      "brk #1\n"
      "1:"
      : "+r"(x0)
      : "r"(x8), "r"(x1), "r"(kept), "r"(child)
      : "memory", "cc");
  result = reinterpret_cast<long>(x0);
#else
#error "cloneOntoStack: write the system call for this architecture"
#endif
  return result;
}

}  // namespace keelson::kernel
