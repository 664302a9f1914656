#include "runtime/shim/shim.h"

#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <csignal>

#include "kernel/pidfd.h"
#include "runtime/wire.h"

namespace keelson::runtime::shim {
namespace {

constexpr Duration kShutdownPatience = std::chrono::seconds(10);
constexpr Duration kLogPatience = std::chrono::seconds(3);

Result<UniqueFd> readSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, SIGTERM);
  if (sigprocmask(SIG_SETMASK, &set, nullptr) < 0) return sysError("sigprocmask");
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  signal(SIGINT, SIG_IGN);
  UniqueFd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return sysError("signalfd");
  return fd;
}

Result<void> setOwnLimits(int proc, int oom_score_adj) {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  const UniqueFd fd(openat(proc, "self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (!fd) return sysError("open oom_score_adj");
  // Lowering needs CAP_SYS_RESOURCE; without it the shim is as likely a victim as the daemon made it.
  [[maybe_unused]] auto written = writeAll(fd.get(), std::to_string(oom_score_adj));
  return {};
}

Result<void> writePidFile(const DirFd& run_folder, const std::string& boot_id) {
  const auto self = TRY(kernel::identify(getpid()));
  return run_folder.writeFileAtomic(kShimPidFile,
                                    fmt::format("{} {} {}\n", self.pid, self.start_ticks, boot_id));
}

}  // namespace

Shim::Shim(Sandbox sandbox, std::unique_ptr<Poller> poller, UniqueFd listener, DirFd exits, UniqueFd signals,
           LogLimits limits)
    : sandbox_(std::move(sandbox)),
      poller_(std::move(poller)),
      signals_(std::move(signals)),
      control_(*poller_, std::move(listener)),
      logs_(*poller_, limits),
      containers_(*poller_, sandbox_, logs_, std::move(exits), {[this] { control_.changed(); }}),
      execs_(*poller_, sandbox_, containers_),
      created_at_(realClock().wall().time_since_epoch().count()) {}

Result<std::unique_ptr<Shim>> Shim::create(SandboxPlan plan, UniqueFd listener, DirFd run_folder) {
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) return sysError("become subreaper");
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return sysError("become undumpable");
  UniqueFd signals = TRY(readSignals());
  const LogLimits limits{plan.log_max_size, plan.log_max_files};
  const int oom_score_adj = plan.shim_oom_score_adj;
  Sandbox sandbox = TRY(Sandbox::create(std::move(plan)));
  TRY(setOwnLimits(sandbox.proc(), oom_score_adj));
  DirFd exits = TRY(run_folder.ensureDir(kExitsDirectory, 0700));
  std::unique_ptr<Poller> poller = TRY(Poller::create());
  std::unique_ptr<Shim> shim(new Shim(std::move(sandbox), std::move(poller), std::move(listener),
                                      std::move(exits), std::move(signals), limits));
  TRY(shim->start());
  TRY_CTX(writePidFile(run_folder, shim->sandbox_.plan().boot_id), "write {}", kShimPidFile);
  return shim;
}

Result<void> Shim::start() {
  TRY_CTX(logs_.start(), "log writer");
  signals_watch_ = TRY(poller_->watch(signals_.get(), EPOLLIN, [this](uint32_t) { onSignals(); }));
  return control_.start([this](const Control::Request& request, Message message) {
    handle(request, std::move(message));
    // Requests are rare and large, waiting is long: their memory goes back to the kernel.
    malloc_trim(0);
  });
}

void Shim::run() {
  for (;;) {
    const SteadyTime now = realClock().steady();
    containers_.onTime(now);
    execs_.onTime(now);
    logs_.onTime(now);
    if (finished(now)) break;
    auto deadline = earlier(containers_.nextDeadline(), execs_.nextDeadline());
    deadline = earlier(deadline, logs_.nextDeadline());
    poller_->wait(earlier(deadline, shutdown_deadline_), now);
  }
  logs_.stop(kLogPatience);
}

bool Shim::finished(SteadyTime now) const {
  if (shutdown_deadline_ && *shutdown_deadline_ <= now) return true;
  return (shutdown_deadline_ || leave_when_idle_) && containers_.idle() && execs_.idle();
}

void Shim::onSignals() {
  signalfd_siginfo info{};
  while (read(signals_.get(), &info, sizeof info) == sizeof info) {
    // A host that shuts down ends the containers itself; the shim waits for them, then goes.
    if (info.ssi_signo == SIGTERM) leave_when_idle_ = true;
  }
  reap();
}

void Shim::reap() {
  for (;;) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return;
    // Others are orphans of containers in the host's pid namespace: adopted here, and gone with this.
    // With it the kernel ended the pod's pid namespace, where nothing can start again: the daemon makes a new
    // pod.
    if (pid == sandbox_.podInit()) shutDown();
    if (containers_.onExit(pid, status) || execs_.onExit(pid, status) || logs_.onExit(pid)) continue;
  }
}

void Shim::shutDown() {
  shutdown_deadline_ = realClock().steady() + kShutdownPatience;
  execs_.killAll();
  containers_.killAll();
}

State Shim::state() const {
  State state;
  state.sandbox = sandbox_.plan();
  state.shim_pid = getpid();
  state.created_at = created_at_;
  state.containers = containers_.records();
  return state;
}

}  // namespace keelson::runtime::shim
