#include "kernel/process.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "kernel/cgroup.h"
#include "kernel/process_child.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U  // Linux 6.3
#endif

namespace keelson::kernel {
namespace {

constexpr size_t kStackBytes = size_t{64} << 10;
constexpr size_t kGuardBytes = 4096;
constexpr size_t kMaxDescriptors = 512;  // well below the soft limit the child gets
constexpr off_t kMaxExecutableBytes = off_t{1} << 30;

// The child's stack, with a guard page below.
class Stack {
 public:
  static Result<Stack> make() {
    void* memory = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) return sysError("memory for a child's stack");
    Stack stack(static_cast<char*>(memory));
    if (mprotect(memory, kGuardBytes, PROT_NONE) != 0) return sysError("guard of a child's stack");
    return stack;
  }
  Stack(Stack&& other) noexcept : memory_(std::exchange(other.memory_, nullptr)) {}
  Stack& operator=(Stack&&) = delete;
  ~Stack() {
    if (memory_ != nullptr) munmap(memory_, kGuardBytes + kStackBytes);
  }
  uint64_t lowest() const { return reinterpret_cast<uint64_t>(memory_) + kGuardBytes; }

 private:
  explicit Stack(char* memory) : memory_(memory) {}
  char* memory_;
};

// Every signal blocked while the child shares our memory, glibc's own (32, 33) included, which sigprocmask(3)
// leaves out.
class AllSignalsBlocked {
 public:
  AllSignalsBlocked() {
    const uint64_t all = ~uint64_t{0};
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before_, sizeof all);
  }
  ~AllSignalsBlocked() { syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before_, nullptr, sizeof before_); }
  AllSignalsBlocked(const AllSignalsBlocked&) = delete;
  AllSignalsBlocked& operator=(const AllSignalsBlocked&) = delete;

 private:
  uint64_t before_ = 0;
};

const char* describe(SpawnStage stage) {
  switch (stage) {
    case SpawnStage::kNone:
      return "start";
    case SpawnStage::kCgroup:
      return "join v1 cgroup";
    case SpawnStage::kSession:
      return "setsid";
    case SpawnStage::kOomScore:
      return "write oom_score_adj";
    case SpawnStage::kDescriptors:
      return "arrange descriptors";
    case SpawnStage::kRlimits:
      return "set rlimits";
    case SpawnStage::kSignals:
      return "reset signals";
    case SpawnStage::kExec:
      return "execveat";
  }
  return "unknown step";
}

std::vector<char*> pointersTo(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

void reap(pid_t pid) {
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

Result<SpawnedProcess> spawn(const SpawnRequest& request) {
  if (request.args.empty()) return makeError(Code::kInvalidArgument, "spawn: no args");
  if (request.descriptors.size() > kMaxDescriptors) {
    return makeError(Code::kInvalidArgument, "spawn {}: {} descriptors, at most {}", request.args[0],
                     request.descriptors.size(), kMaxDescriptors);
  }
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return sysError("spawn {}: open /dev/null", request.args[0]);
  std::vector<int> sources = {request.stdin_fd, request.stdout_fd, request.stderr_fd};
  for (int& fd : sources) fd = fd < 0 ? null.get() : fd;
  sources.insert(sources.end(), request.descriptors.begin(), request.descriptors.end());
  std::vector<int> moved(sources.size());
  const std::vector<char*> argv = pointersTo(request.args);
  const std::vector<char*> envp = pointersTo(request.env);
  const std::vector<int> v1 =
      request.cgroup != nullptr ? request.cgroup->v1Descriptors() : std::vector<int>();
  const Stack stack = TRY_CTX(Stack::make(), "spawn {}", request.args[0]);

  SpawnWork work;
  work.v1_cgroups = v1.data();
  work.v1_cgroup_count = static_cast<int>(v1.size());
  work.new_session = request.new_session;
  work.oom_score_adj_size = static_cast<size_t>(
      fmt::format_to_n(work.oom_score_adj, sizeof work.oom_score_adj, "{}", request.oom_score_adj).out -
      work.oom_score_adj);
  work.sources = sources.data();
  work.moved = moved.data();
  work.source_count = static_cast<int>(sources.size());
  work.executable = request.executable;
  work.argv = argv.data();
  work.envp = envp.data();

  int pidfd = -1;
  CloneRequest clone;
  clone.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD;
  clone.pidfd_address = reinterpret_cast<uint64_t>(&pidfd);
  clone.exit_signal = SIGCHLD;
  clone.stack = stack.lowest();
  clone.stack_size = kStackBytes;
  if (request.cgroup != nullptr && request.cgroup->unified() != nullptr) {
    clone.flags |= CLONE_INTO_CGROUP;
    clone.cgroup = static_cast<uint64_t>(request.cgroup->unified()->get());
  }
  long pid = 0;
  {
    const AllSignalsBlocked blocked;
    pid = cloneOntoStack(clone, &work);
  }
  if (pid < 0) return errnoError(static_cast<int>(-pid), fmt::format("spawn {}: clone3", request.args[0]));
  SpawnedProcess process{Pidfd(UniqueFd(pidfd)), static_cast<pid_t>(pid)};
  if (work.failed_stage == SpawnStage::kNone) return process;
  reap(process.pid);
  return errnoError(work.failed_errno,
                    fmt::format("spawn {}: {}", request.args[0], describe(work.failed_stage)));
}

Result<UniqueFd> sealExecutable(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return sysError("open {}", path);
  struct stat status {};
  if (fstat(file.get(), &status) != 0) return sysError("stat {}", path);
  if (!S_ISREG(status.st_mode) || status.st_size > kMaxExecutableBytes) {
    return makeError(Code::kInvalidArgument, "{}: not a regular file of at most {} bytes", path,
                     kMaxExecutableBytes);
  }
  const std::string name = path.substr(path.rfind('/') + 1, 200);
  // Where vm.memfd_noexec is set, only MFD_EXEC gives an executable one; kernels before 6.3 refuse the flag.
  UniqueFd memfd(memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC));
  if (!memfd && errno == EINVAL)
    memfd = UniqueFd(memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memfd) return sysError("memfd for {}", path);
  for (off_t left = status.st_size; left > 0;) {
    const ssize_t copied = sendfile(memfd.get(), file.get(), nullptr, static_cast<size_t>(left));
    if (copied < 0 && errno == EINTR) continue;
    if (copied < 0) return sysError("copy {} into a memfd", path);
    if (copied == 0) return makeError(Code::kUnavailable, "{} shrank while it was read", path);
    left -= copied;
  }
  if (fchmod(memfd.get(), 0755) != 0) return sysError("chmod of the memfd for {}", path);
  if (fcntl(memfd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
    return sysError("seal the memfd for {}", path);
  }
  return memfd;
}

}  // namespace keelson::kernel
