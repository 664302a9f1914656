#include "runtime/shim/execs.h"

#include <sys/wait.h>

#include <algorithm>

#include "runtime/init/executable.h"
#include "runtime/init/steps.h"
#include "runtime/shim/descendants.h"
#include "runtime/shim/launch.h"
#include "runtime/wire.h"

namespace keelson::runtime::shim {
namespace {

constexpr size_t kMaxOutcomeText = 2048;  // one whole write to a pipe is at most PIPE_BUF
// A killed command that does not go (it hangs in the kernel) is reported all the same.
constexpr Duration kKillPatience = std::chrono::seconds(2);
constexpr size_t kMaxLeftovers = 1024;
constexpr Duration kRetryPause = std::chrono::milliseconds(50);

}  // namespace

void Execs::start(Exec request, std::vector<UniqueFd> descriptors, Started done) {
  removeLeftovers();
  auto launched = launchExec(request, std::move(descriptors));
  if (!launched) return done(std::move(launched).error());
  Running& exec = **launched;
  if (request.timeout_ms > 0)
    exec.deadline =
        realClock().steady() + std::chrono::milliseconds(std::min<int64_t>(request.timeout_ms, INT32_MAX));
  execs_.push_back(std::move(launched).value());
  auto report_watch = poller_.watch(exec.report.fd(), EPOLLIN, [this, &exec](uint32_t) { onReport(exec); });
  if (report_watch) exec.report_watch = std::move(report_watch).value();
  // Nobody writes into the cancel pipe: whatever happens there is its end.
  auto cancel_watch = poller_.watch(exec.cancel.get(), EPOLLIN, [this, &exec](uint32_t) { kill(exec); });
  if (cancel_watch) exec.cancel_watch = std::move(cancel_watch).value();
  if (request.process.tty) {
    exec.done = std::move(done);
  } else {
    done(UniqueFd());
  }
}

Result<std::unique_ptr<Execs::Running>> Execs::launchExec(const Exec& request,
                                                          std::vector<UniqueFd> descriptors) {
  const size_t wanted = request.process.tty ? 2 : 5;
  if (descriptors.size() != wanted)
    return makeError(Code::kInvalidArgument, "{} descriptors came, {} are needed", descriptors.size(),
                     wanted);
  if (execs_.size() >= kMaxExecs)
    return makeError(Code::kResourceExhausted, "{} commands run in this pod", kMaxExecs);
  const auto container = containers_.running(request.container_id);
  if (!container)
    return makeError(Code::kFailedPrecondition, "container {} does not run", request.container_id);

  auto exec = std::make_unique<Running>();
  exec->result = std::move(descriptors[0]);
  exec->cancel = std::move(descriptors[1]);
  if (container->cgroup.unified.valid()) {
    exec->parent = TRY(container->cgroup.unified.duplicate());
    exec->name = fmt::format("exec-{}", next_number_++);
    if (mkdirat(exec->parent.get(), exec->name.c_str(), 0755) < 0)
      return sysError("make cgroup {}", exec->name);
    auto opened = exec->parent.openDir(exec->name);
    if (!opened) {
      unlinkat(exec->parent.get(), exec->name.c_str(), AT_REMOVEDIR);
      return std::move(opened).error();
    }
    exec->cgroup = std::move(opened).value();
  }
  LaunchRequest launch_request;
  launch_request.steps = init::execSteps();
  launch_request.cgroup = exec->cgroup.get();
  init::InitContext& context = launch_request.context;
  context.process = &request.process;
  context.v1_cgroups = container->cgroup.v1Descriptors();
  context.exec_target = container->process.get();
  if (!request.process.tty) {
    context.stdin_fd = descriptors[2].get(), context.stdout_fd = descriptors[3].get(),
    context.stderr_fd = descriptors[4].get();
  }
  auto launched = launch(sandbox_, std::move(launch_request));
  if (!launched) {
    removeCgroup(*exec);
    return std::move(launched).error();
  }
  exec->pid = launched->pid;
  exec->process = std::move(launched->process);
  exec->report = std::move(launched->report);
  return exec;
}

void Execs::onReport(Running& exec, pid_t reaped) {
  const bool finished = exec.report.advance();
  adoptSuccessor(exec, reaped);
  if (exec.done && exec.report.hasTerminal()) std::exchange(exec.done, nullptr)(exec.report.takeTerminal());
  if (!finished) return;
  exec.report_watch.reset();
  if (!exec.done) return;
  auto outcome = exec.report.outcome();
  Error error = outcome ? makeError(Code::kInternal, "no terminal came from the container")
                        : std::move(outcome).error();
  std::exchange(exec.done, nullptr)(std::move(error));
}

void Execs::adoptSuccessor(Running& exec, pid_t reaped) {
  const pid_t pid = exec.report.takeSuccessor();
  if (pid <= 0) return;
  // A child's number is its own until it is reaped.
  siginfo_t info{};
  if (pid != reaped && waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) < 0) return;
  exec.pid = pid;
  auto process = kernel::Pidfd::open(pid);
  if (process) exec.process = std::move(process).value();
  if (exec.killed) kill(exec);
}

void Execs::kill(Running& exec) {
  exec.cancel_watch.reset();
  exec.killed = true;
  exec.deadline = realClock().steady() + kKillPatience;
  if (exec.cgroup.valid() && killUnified(exec.cgroup)) return;
  // Without the v2 hierarchy: its family by the process tree. What has left it by double fork is missed.
  killDescendants(sandbox_.proc(), exec.pid);
  [[maybe_unused]] auto signalled = exec.process.signal(SIGKILL);
}

ExecOutcome Execs::outcomeOf(const Running& exec, int status) const {
  ExecOutcome outcome;
  outcome.timed_out = exec.timed_out;
  outcome.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  auto reached = exec.report.outcome();
  if (reached || exec.timed_out) return outcome;
  outcome.error = reached.error().text.substr(0, kMaxOutcomeText);
  if (!WIFSIGNALED(status)) outcome.exit_code = init::exitCodeOf(reached.error());
  return outcome;
}

bool Execs::onExit(pid_t pid, int status) {
  // Whose process has just taken over is told before it runs, so it is read before an exit is understood.
  for (size_t i = 0; i < execs_.size(); ++i) onReport(*execs_[i], pid);
  const auto found =
      std::find_if(execs_.begin(), execs_.end(), [&](const auto& each) { return each->pid == pid; });
  if (found == execs_.end()) return false;
  Running& exec = **found;
  onReport(exec);
  removeCgroup(exec);
  if (exec.result) writeResult(exec, outcomeOf(exec, status));
  execs_.erase(found);
  return true;
}

void Execs::writeResult(Running& exec, const ExecOutcome& outcome) {
  const std::string bytes = encodeWire(outcome);
  // Fits into an empty pipe, so it does not block; nobody may be there to read it.
  [[maybe_unused]] const ssize_t written = write(exec.result.get(), bytes.data(), bytes.size());
  exec.result.reset();
}

void Execs::removeCgroup(Running& exec) {
  if (!exec.cgroup.valid()) return;
  if (exec.killed) [[maybe_unused]]
    auto again = killUnified(exec.cgroup);
  exec.cgroup = DirFd();
  if (unlinkat(exec.parent.get(), exec.name.c_str(), AT_REMOVEDIR) == 0 || errno != EBUSY) return;
  // Has processes, or its last one is not quite gone: tried again soon, then with later commands, and removed
  // with the container's cgroup at last.
  if (leftovers_.size() < kMaxLeftovers) leftovers_.push_back({std::move(exec.parent), std::move(exec.name)});
  retry_leftovers_ = realClock().steady() + kRetryPause;
}

void Execs::removeLeftovers() {
  std::erase_if(leftovers_, [](const Leftover& each) {
    return unlinkat(each.parent.get(), each.name.c_str(), AT_REMOVEDIR) == 0 || errno != EBUSY;
  });
}

std::optional<SteadyTime> Execs::nextDeadline() const {
  std::optional<SteadyTime> next = retry_leftovers_;
  for (const auto& exec : execs_) next = earlier(next, exec->deadline);
  return next;
}

void Execs::onTime(SteadyTime now) {
  if (retry_leftovers_ && *retry_leftovers_ <= now) {
    retry_leftovers_.reset();
    removeLeftovers();
  }
  for (const auto& exec : execs_) {
    if (!exec->deadline || *exec->deadline > now) continue;
    if (exec->killed) {
      exec->deadline.reset();
      exec->timed_out = true;
      if (exec->result) writeResult(*exec, outcomeOf(*exec, SIGKILL));
    } else {
      exec->timed_out = true;
      kill(*exec);
    }
  }
}

void Execs::killAll() {
  for (const auto& exec : execs_) kill(*exec);
}

}  // namespace keelson::runtime::shim
