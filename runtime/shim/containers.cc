#include "runtime/shim/containers.h"

#include <sys/ioctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>

#include "runtime/wire.h"

namespace keelson::runtime::shim {
namespace {

int64_t nanoseconds(WallTime time) { return time.time_since_epoch().count(); }

}  // namespace

void setExit(ContainerRecord& record, int status) {
  if (WIFSIGNALED(status)) {
    record.signal = WTERMSIG(status);
    record.exit_code = 128 + record.signal;
  } else {
    record.exit_code = WEXITSTATUS(status);
  }
}
void Containers::onReport(Container& container) {
  if (!container.report.advance()) return;
  container.report_watch.reset();
  auto outcome = container.report.outcome();
  if (outcome) return becomeRunning(container);
  // A child that died without a word is explained by how it died, in failStart().
  if (container.report.hasError()) container.failure = std::move(outcome).error();
  container.phase = Phase::kFailing;
  // It ends by itself, but not at its leisure.
  [[maybe_unused]] auto killed = kill(container);
}

void Containers::becomeRunning(Container& container) {
  container.phase = Phase::kRunning;
  if (container.stop_signal == 0) container.kill_at.reset();
  container.record.running = true;
  container.record.started_at = nanoseconds(realClock().wall());
  if (container.report.hasTerminal()) {
    container.terminal = container.report.takeTerminal();
    container.log.out = UniqueFd(fcntl(container.terminal.get(), F_DUPFD_CLOEXEC, 0));
  }
  container.report = init::InitReport();
  container.log_slot = logs_.add(std::move(container.log));
  std::exchange(container.done, nullptr)(container.record);
}

bool Containers::onExit(pid_t pid, int status) {
  const auto found = std::find_if(containers_.begin(), containers_.end(), [&](const auto& each) {
    return each->record.pid == pid && each->phase != Phase::kDraining && each->phase != Phase::kExited;
  });
  if (found == containers_.end()) return false;
  Container& container = **found;
  // Death closes the report, so its outcome is final now.
  if (container.phase == Phase::kStarting) onReport(container);
  setExit(container.record, status);
  if (container.phase == Phase::kRunning) {
    beginDrain(container);
  } else {
    failStart(container);
  }
  return true;
}

// A child that is still init is alone in its cgroup, so it is killed by itself: once cgroup.kill has been
// written, kernels since 6.14 (and stable ones with "fix race between fork and cgroup.kill") kill every child
// that a later try clones into the same cgroup.
Result<void> Containers::kill(const Container& container) {
  const bool is_init = container.phase == Phase::kStarting || container.phase == Phase::kFailing;
  return is_init ? container.process.signal(SIGKILL) : container.cgroup.kill();
}

void Containers::failStart(Container& container) {
  if (!container.failure && container.record.signal != 0) {
    const bool oom = container.cgroup.oomKills() > container.oom_kills_before;
    container.failure =
        oom ? makeError(Code::kInvalidArgument, "container init was OOM-killed (memory limit too low?)")
            : makeError(Code::kInternal, "container init was killed by signal {}", container.record.signal);
  }
  if (!container.failure)
    container.failure = makeError(Code::kInternal, "container init ended without a word");
  const Started done = std::move(container.done);
  Error error = std::move(*container.failure);
  erase(container);
  done(std::move(error));
}

void Containers::beginDrain(Container& container) {
  container.phase = Phase::kDraining;
  container.kill_at.reset();
  container.record.finished_at = nanoseconds(realClock().wall());
  container.stdin_write.reset();
  auto killed = kill(container);
  if (!killed)
    container.record.error = std::move(killed).error().withContext("kill the container's cgroup").text;
  logs_.drain(*container.log_slot, [this, id = container.record.id](uint64_t dropped_lines) {
    if (Container* ended = find(id)) finishExit(*ended, dropped_lines);
  });
}

void Containers::finishExit(Container& container, uint64_t dropped_lines) {
  ContainerRecord& record = container.record;
  record.running = false;
  record.dropped_log_lines = dropped_lines;
  record.oom_killed = container.cgroup.oomKills() > container.oom_kills_before;
  container.terminal.reset();
  container.process = kernel::Pidfd();
  container.cgroup = CgroupHandles();
  auto written = exits_.writeFileAtomic(record.id, encodeWire(record));
  if (!written) record.error += (record.error.empty() ? "" : "; ") + written.error().text;
  container.phase = Phase::kExited;
  hooks_.changed();
}

Result<void> Containers::stop(const StopContainer& request) {
  Container* container = find(request.id);
  if (container == nullptr) return makeError(Code::kNotFound, "container {}", request.id);
  if (container->phase == Phase::kDraining || container->phase == Phase::kExited) return {};
  const auto grace = std::chrono::milliseconds(std::clamp<int64_t>(request.grace_ms, 0, INT32_MAX));
  if (grace.count() == 0) return kill(*container);
  if (request.signal != 0 && container->stop_signal != request.signal) {
    TRY(container->process.signal(request.signal));
    container->stop_signal = request.signal;
  }
  container->kill_at = earlier(container->kill_at, realClock().steady() + grace);
  return {};
}

Result<void> Containers::remove(const std::string& id) {
  const Container* container = find(id);
  if (container == nullptr) return {};
  if (container->phase != Phase::kExited)
    return makeError(Code::kFailedPrecondition, "container {} runs", id);
  TRY(exits_.removeFile(id));
  erase(*container);
  return {};
}

Result<void> Containers::resize(const ResizeTty& request) {
  const Container* container = find(request.id);
  if (container == nullptr || !container->terminal)
    return makeError(Code::kFailedPrecondition, "container {} has no terminal", request.id);
  winsize size{};
  size.ws_row = static_cast<unsigned short>(std::min<uint32_t>(request.height, UINT16_MAX));
  size.ws_col = static_cast<unsigned short>(std::min<uint32_t>(request.width, UINT16_MAX));
  if (ioctl(container->terminal.get(), TIOCSWINSZ, &size) < 0) return sysError("resize terminal");
  return {};
}

std::optional<SteadyTime> Containers::nextDeadline() const {
  std::optional<SteadyTime> next;
  for (const auto& container : containers_) next = earlier(next, container->kill_at);
  return next;
}

void Containers::onTime(SteadyTime now) {
  constexpr Duration kKillAgain = std::chrono::seconds(1);
  for (const auto& container : containers_) {
    if (!container->kill_at || *container->kill_at > now) continue;
    if (container->phase == Phase::kStarting && container->stop_signal == 0 && !container->failure)
      container->failure = makeError(Code::kDeadlineExceeded, "container init hangs; killed");
    // Again each second until it is reaped: what hangs in the kernel may come back and fork.
    [[maybe_unused]] auto killed = kill(*container);
    container->kill_at = now + kKillAgain;
  }
}

void Containers::killAll() {
  const SteadyTime now = realClock().steady();
  for (const auto& container : containers_)
    if (container->phase != Phase::kExited && container->phase != Phase::kDraining) container->kill_at = now;
  onTime(now);
}

bool Containers::idle() const {
  return std::all_of(containers_.begin(), containers_.end(),
                     [](const auto& each) { return each->phase == Phase::kExited; });
}

std::vector<ContainerRecord> Containers::records() const {
  std::vector<ContainerRecord> records;
  for (const auto& container : containers_)
    if (container->phase != Phase::kStarting && container->phase != Phase::kFailing)
      records.push_back(container->record);
  return records;
}

std::optional<Containers::Running> Containers::running(const std::string& id) const {
  const Container* container = find(id);
  if (container == nullptr || container->phase != Phase::kRunning) return std::nullopt;
  return Running{container->process, container->cgroup};
}

Containers::Container* Containers::find(const std::string& id) const {
  const auto found = std::find_if(containers_.begin(), containers_.end(),
                                  [&](const auto& each) { return each->record.id == id; });
  return found == containers_.end() ? nullptr : found->get();
}

void Containers::erase(const Container& container) {
  std::erase_if(containers_, [&](const auto& each) { return each.get() == &container; });
}

}  // namespace keelson::runtime::shim
