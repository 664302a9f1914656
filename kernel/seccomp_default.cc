// The RuntimeDefault profile as data: what Docker and containerd allow by default.
// https://docs.docker.com/engine/security/seccomp/ and containerd's contrib/seccomp.
#include <cerrno>

#include "kernel/seccomp_profile.h"

namespace keelson::kernel {
namespace {

constexpr uint64_t cap(unsigned number) { return 1ull << number; }
constexpr uint64_t kDacReadSearch = cap(2), kSysModule = cap(16), kSysRawio = cap(17), kSysChroot = cap(18),
                   kSysPtrace = cap(19), kSysPacct = cap(20), kSysAdmin = cap(21), kSysBoot = cap(22),
                   kSysNice = cap(23), kSysTime = cap(25), kSysTtyConfig = cap(26), kSyslog = cap(34),
                   kPerfmon = cap(38), kBpf = cap(39);

// Every CLONE_NEW* flag but NEWTIME (clone(2) has no bit for it).
constexpr uint64_t kCloneNamespaces = 0x7e020000;
constexpr uint64_t kAfAlg = 38, kAfVsock = 40;  // socket(2)

// Names between blanks. Allowed when the process has one of `with` (0: always).
struct Group {
  uint64_t with;
  const char* names;
};

constexpr Group kAllowed[] = {
    // files and directories
    {0,
     "access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat "
     "faccessat2 "
     "fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 "
     "fchownat fcntl "
     "fcntl64 fdatasync flock fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 "
     "futimesat getcwd "
     "getdents getdents64 inotify_add_watch inotify_init inotify_init1 inotify_rm_watch ioctl lchown "
     "lchown32 link "
     "linkat _llseek lseek lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open "
     "openat openat2 "
     "pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv "
     "rename "
     "renameat renameat2 rmdir sendfile sendfile64 splice stat stat64 statfs statfs64 statx symlink "
     "symlinkat sync "
     "sync_file_range syncfs tee truncate truncate64 umask unlink unlinkat utime utimensat utimensat_time64 "
     "utimes "
     "vmsplice write writev cachestat listmount statmount"},
    // extended attributes
    {0,
     "fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat "
     "llistxattr "
     "lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat"},
    // memory
    {0,
     "brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap "
     "mmap2 "
     "mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect "
     "process_mrelease "
     "remap_file_pages"},
    // processes, threads, users
    {0,
     "capget capset execve execveat exit exit_group fork futex futex_requeue futex_time64 futex_wait "
     "futex_waitv "
     "futex_wake get_robust_list get_thread_area getcpu getegid getegid32 geteuid geteuid32 getgid getgid32 "
     "getgroups "
     "getgroups32 getpgid getpgrp getpid getppid getpriority getresgid getresgid32 getresuid getresuid32 "
     "getrlimit "
     "getrusage getsid gettid getuid getuid32 ioprio_get ioprio_set kill landlock_add_rule "
     "landlock_create_ruleset "
     "landlock_restrict_self pause pidfd_open pidfd_send_signal prctl prlimit64 process_vm_readv "
     "process_vm_writev "
     "ptrace restart_syscall rseq sched_get_priority_max sched_get_priority_min sched_getaffinity "
     "sched_getattr "
     "sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity "
     "sched_setattr sched_setparam sched_setscheduler sched_yield seccomp set_robust_list set_thread_area "
     "set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setpgid "
     "setpriority "
     "setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid "
     "setuid "
     "setuid32 sysinfo tgkill times tkill ugetrlimit uname uretprobe vfork wait4 waitid waitpid"},
    // signals
    {0,
     "rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait "
     "rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack signalfd signalfd4 sigprocmask sigreturn"},
    // clocks and timers; setting a clock still needs CAP_SYS_TIME, reading through adjtimex does not
    {0,
     "adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime "
     "clock_gettime64 "
     "clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create "
     "timer_delete "
     "timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create "
     "timerfd_gettime "
     "timerfd_gettime64 timerfd_settime timerfd_settime64"},
    // waiting for descriptors, asynchronous input and output (io_uring stays out)
    {0,
     "epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old "
     "eventfd "
     "eventfd2 io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit "
     "_newselect poll "
     "ppoll ppoll_time64 pselect6 pselect6_time64 select"},
    // sockets; socket itself has conditions below
    {0,
     "accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg "
     "recvmmsg_time64 "
     "recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair"},
    // System V and POSIX inter-process communication
    {0,
     "ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend "
     "mq_timedsend_time64 "
     "mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl "
     "shmdt shmget"},
    {0, "getrandom"},
#if defined(__x86_64__)
    {0, "arch_prctl modify_ldt"},
#elif defined(__aarch64__)
    {0, "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"},
#endif
    {kDacReadSearch, "open_by_handle_at"},
    {kSysAdmin,
     "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr "
     "lsm_list_modules "
     "lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd "
     "setdomainname "
     "sethostname setns syslog umount umount2 unshare"},
    {kSysBoot, "reboot"},
    {kSysChroot, "chroot"},
    {kSysModule, "delete_module finit_module init_module"},
    {kSysPacct, "acct"},
    {kSysPtrace, "kcmp pidfd_getfd process_madvise"},
    {kSysRawio, "ioperm iopl"},
    {kSysTime, "clock_settime clock_settime64 settimeofday stime"},
    {kSysTtyConfig, "vhangup"},
    {kSysNice, "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"},
    {kSyslog, "syslog"},
    {kBpf, "bpf"},
    {kPerfmon, "perf_event_open"},
};

// personality(2): Linux, with 32-bit uname (UNAME26 0x20000, PER_LINUX32 8), and the question 0xffffffff.
constexpr uint64_t kPersonalities[] = {0x0, 0x8, 0x20000, 0x20008, 0xffffffff};

std::vector<std::string> splitNames(std::string_view names) {
  std::vector<std::string> list;
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find(' '));
    names.remove_prefix(std::min(name.size() + 1, names.size()));
    list.emplace_back(name);
  }
  return list;
}

}  // namespace

std::vector<uint32_t> nativeSeccompArchitectures() {
#if defined(__x86_64__)
  return {SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32};
#elif defined(__aarch64__)
  return {SCMP_ARCH_AARCH64, SCMP_ARCH_ARM};
#else
  return {SCMP_ARCH_NATIVE};
#endif
}

uint64_t seccompCapabilities() {
  uint64_t all = 0;
  for (const Group& group : kAllowed) all |= group.with;
  return all;
}

SeccompProfile defaultSeccompProfile(uint64_t capabilities) {
  SeccompProfile profile;
  profile.default_action = SCMP_ACT_ERRNO(EPERM);
  profile.architectures = nativeSeccompArchitectures();
  for (const Group& group : kAllowed) {
    if (group.with != 0 && (group.with & capabilities) == 0) continue;
    profile.rules.push_back({splitNames(group.names), SCMP_ACT_ALLOW, {}});
  }
  const auto allowWhen = [&profile](const char* name, scmp_compare op, uint64_t value) {
    profile.rules.push_back({{name}, SCMP_ACT_ALLOW, {{0, op, value, 0}}});
  };
  for (const uint64_t personality : kPersonalities) allowWhen("personality", SCMP_CMP_EQ, personality);
  // vsock reaches the hypervisor past every network policy; AF_ALG is kernel code that pods do not need.
  allowWhen("socket", SCMP_CMP_LT, kAfAlg);
  allowWhen("socket", SCMP_CMP_EQ, kAfAlg + 1);
  allowWhen("socket", SCMP_CMP_GT, kAfVsock);
  if ((capabilities & kSysAdmin) == 0) {
    allowWhen("clone", SCMP_CMP_MASKED_EQ, kCloneNamespaces);
    // Its flags are in memory, out of a filter's sight; ENOSYS makes the C libraries use clone.
    profile.rules.push_back({{"clone3"}, SCMP_ACT_ERRNO(ENOSYS), {}});
  }
  return profile;
}

}  // namespace keelson::kernel
