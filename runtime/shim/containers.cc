#include "runtime/shim/containers.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>

#include "runtime/init/steps.h"
#include "runtime/shim/device_rules.h"
#include "runtime/shim/launch.h"
#include "runtime/wire.h"

namespace keelson::runtime::shim {
namespace {

// A start that takes longer hangs in some file system: its cgroup is killed and the daemon gets an error
// before it loses patience with the connection.
constexpr Duration kStartPatience = std::chrono::seconds(25);
constexpr size_t kMaxNameBytes = 255;
constexpr size_t kFixedDescriptors = 2;  // root and log directory

// Ids and log names become file names.
bool isFileName(const std::string& name) {
  return !name.empty() && name.size() <= kMaxNameBytes && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
                  c == '_';
         });
}

int64_t nanoseconds(WallTime time) { return time.time_since_epoch().count(); }

struct Pipe {
  UniqueFd read, write;
};
Result<Pipe> makePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return sysError("pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

CgroupHandles takeCgroup(const StartContainer& request, std::vector<UniqueFd>& descriptors) {
  CgroupHandles cgroup;
  size_t next = kFixedDescriptors;
  if (request.has_unified) cgroup.unified = DirFd(std::move(descriptors[next++]));
  while (next < descriptors.size()) cgroup.v1.emplace_back(std::move(descriptors[next++]));
  cgroup.v1_controllers = request.v1_controllers;
  return cgroup;
}

Result<void> checkRequest(const StartContainer& request, size_t descriptors) {
  const ContainerPlan& plan = request.plan;
  if (!isFileName(plan.id)) return makeError(Code::kInvalidArgument, "container id \"{}\" is not a file name", plan.id);
  if (!isFileName(plan.log_name))
    return makeError(Code::kInvalidArgument, "log name \"{}\" is not a file name", plan.log_name);
  const size_t wanted = kFixedDescriptors + (request.has_unified ? 1 : 0) + request.v1_controllers.size();
  if (descriptors != wanted)
    return makeError(Code::kInvalidArgument, "{} descriptors came, {} are needed", descriptors, wanted);
  return {};
}

}  // namespace

void setExit(ContainerRecord& record, int status) {
  if (WIFSIGNALED(status)) {
    record.signal = WTERMSIG(status);
    record.exit_code = 128 + record.signal;
  } else {
    record.exit_code = WEXITSTATUS(status);
  }
}

void Containers::start(StartContainer request, std::vector<UniqueFd> descriptors, std::vector<UniqueFd> mounts,
                       Started done) {
  auto launched = launchContainer(request, std::move(descriptors), mounts);
  if (!launched) return done(std::move(launched).error());
  Container& container = **launched;
  container.done = std::move(done);
  container.kill_at = realClock().steady() + kStartPatience;
  containers_.push_back(std::move(launched).value());
  auto watch = poller_.watch(container.report.fd(), EPOLLIN, [this, &container](uint32_t) { onReport(container); });
  // Without a watch the child's end tells: SIGCHLD reads the report too.
  if (watch) container.report_watch = std::move(watch).value();
}

Result<void> Containers::setPidNamespace(const ContainerPlan& plan, LaunchRequest& launch) const {
  const NamespacesPlan& pod = sandbox_.plan().namespaces;
  if (!plan.target_container_id.empty()) {
    const auto target = running(plan.target_container_id);
    if (!target) return makeError(Code::kFailedPrecondition, "target container {} does not run", plan.target_container_id);
    launch.pid_namespace = target->process.get();
  } else if (pod.share_pid) {
    launch.pid_namespace = sandbox_.podPidNamespace();
  } else if (!pod.host_pid) {
    launch.namespaces |= CLONE_NEWPID;
  }
  return {};
}

Result<Containers::StandardFiles> Containers::makeStandardFiles(const ContainerPlan& plan, Container& container) const {
  StandardFiles files;
  if (plan.process.tty) return files;
  Pipe out = TRY(makePipe()), err = TRY(makePipe());
  files.out = std::move(out.write), container.log.out = std::move(out.read);
  files.err = std::move(err.write), container.log.err = std::move(err.read);
  if (plan.has_stdin) {
    Pipe in = TRY(makePipe());
    files.in = std::move(in.read), container.stdin_write = std::move(in.write);
  } else {
    files.in = TRY(sandbox_.openNull());
  }
  return files;
}

init::InitContext Containers::contextFor(const StartContainer& request, const CgroupHandles& cgroup,
                                         const StandardFiles& files) const {
  init::InitContext context;
  context.process = &request.plan.process;
  context.container = &request.plan;
  context.stdin_fd = files.in.get();
  context.stdout_fd = files.out.get();
  context.stderr_fd = files.err.get();
  context.v1_cgroups = cgroup.v1Descriptors();
  context.net = sandbox_.joinNet();
  context.ipc = sandbox_.joinIpc();
  context.uts = sandbox_.joinUts();
  context.first_token = request.first_token;
  context.has_unified = request.has_unified;
  context.v1_controllers = request.v1_controllers;
  return context;
}

Result<std::unique_ptr<Containers::Container>> Containers::launchContainer(StartContainer& request,
                                                                           std::vector<UniqueFd> descriptors,
                                                                           const std::vector<UniqueFd>& mounts) {
  const ContainerPlan& plan = request.plan;
  TRY(checkRequest(request, descriptors.size()));
  if (find(plan.id) != nullptr) return makeError(Code::kAlreadyExists, "container {} exists", plan.id);
  if (containers_.size() >= kMaxContainers)
    return makeError(Code::kResourceExhausted, "{} containers are recorded", kMaxContainers);

  auto container = std::make_unique<Container>();
  container->cgroup = takeCgroup(request, descriptors);
  container->oom_kills_before = container->cgroup.oomKills();
  container->record.id = plan.id;
  container->record.name = plan.name;
  container->record.attempt = plan.attempt;
  container->log = LogSource{DirFd(std::move(descriptors[1])), plan.log_name, {}, {}, plan.process.tty};

  if (!plan.privileged) TRY_CTX(applyDeviceRules(container->cgroup, buildDeviceRules(plan)), "device rules");
  const StandardFiles files = TRY(makeStandardFiles(plan, *container));

  LaunchRequest launch_request;
  launch_request.steps = init::containerSteps();
  launch_request.namespaces = CLONE_NEWNS;
  TRY(setPidNamespace(plan, launch_request));
  if (container->cgroup.unified.valid()) launch_request.cgroup = container->cgroup.unified.get();
  launch_request.context = contextFor(request, container->cgroup, files);
  launch_request.context.root = descriptors[0].get();
  for (const UniqueFd& mount : mounts) launch_request.context.mounts.push_back(mount.get());
  Launched launched = TRY(launch(sandbox_, std::move(launch_request)));
  container->record.pid = launched.pid;
  container->process = std::move(launched.process);
  container->report = std::move(launched.report);
  return container;
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

// A child that is still init is alone in its cgroup, so it is killed by itself: once cgroup.kill has been written,
// kernels since 6.14 (and stable ones with "fix race between fork and cgroup.kill") kill every child that a later
// try clones into the same cgroup.
Result<void> Containers::kill(const Container& container) {
  const bool is_init = container.phase == Phase::kStarting || container.phase == Phase::kFailing;
  return is_init ? container.process.signal(SIGKILL) : container.cgroup.kill();
}

void Containers::failStart(Container& container) {
  if (!container.failure && container.record.signal != 0) {
    const bool oom = container.cgroup.oomKills() > container.oom_kills_before;
    container.failure = oom ? makeError(Code::kInvalidArgument, "container init was OOM-killed (memory limit too low?)")
                            : makeError(Code::kInternal, "container init was killed by signal {}", container.record.signal);
  }
  if (!container.failure) container.failure = makeError(Code::kInternal, "container init ended without a word");
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
  if (!killed) container.record.error = std::move(killed).error().withContext("kill the container's cgroup").text;
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
  if (container->stop_signal != request.signal) {
    TRY(container->process.signal(request.signal));
    container->stop_signal = request.signal;
  }
  container->kill_at = earlier(container->kill_at, realClock().steady() + grace);
  return {};
}

Result<void> Containers::remove(const std::string& id) {
  const Container* container = find(id);
  if (container == nullptr) return {};
  if (container->phase != Phase::kExited) return makeError(Code::kFailedPrecondition, "container {} runs", id);
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
