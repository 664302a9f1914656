// The pod's containers: start, exit, stop, record.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fs.h"
#include "base/result.h"
#include "kernel/pidfd.h"
#include "runtime/init/init_context.h"
#include "runtime/init/report.h"
#include "runtime/shim/cgroup_handles.h"
#include "runtime/shim/log_client.h"
#include "runtime/shim/poller.h"
#include "runtime/shim/sandbox.h"
#include "runtime/shim_protocol.h"

namespace keelson::runtime::shim {

inline constexpr size_t kMaxContainers = 1024;  // records, exited ones included

// A container's phases go one way:
//
//   kStarting -> kRunning -> kDraining -> kExited
//            \-> kFailing                            (gone when its init is reaped)
//
// Draining: the first process has ended, its cgroup is killed, the log writer reads the rest; only then does
// the exit exist for the daemon, on disk first.
class Containers {
 public:
  struct Hooks {
    std::function<void()> changed;  // an exit has been recorded
  };
  using Started = std::function<void(Result<ContainerRecord>)>;

  Containers(Poller& poller, const Sandbox& sandbox, LogClient& logs, DirFd exits, Hooks hooks)
      : poller_(poller), sandbox_(sandbox), logs_(logs), exits_(std::move(exits)), hooks_(std::move(hooks)) {}

  // Begins the start; `done` is called once, when execve succeeded or the child's end is reaped.
  // `descriptors` as StartContainer says, `mounts` those of its tokens.
  void start(StartContainer request, std::vector<UniqueFd> descriptors, std::vector<UniqueFd> mounts,
             Started done);
  Result<void> stop(const StopContainer& request);
  Result<void> remove(const std::string& id);
  Result<void> resize(const ResizeTty& request);

  // True if `pid` was a container's first process. `status` is of waitpid(2).
  bool onExit(pid_t pid, int status);
  std::optional<SteadyTime> nextDeadline() const;
  void onTime(SteadyTime now);
  void killAll();
  // Nothing runs, starts or drains.
  bool idle() const;

  std::vector<ContainerRecord> records() const;

  // What exec needs of a running container; nullptr otherwise.
  struct Running {
    const kernel::Pidfd& process;
    const CgroupHandles& cgroup;
  };
  std::optional<Running> running(const std::string& id) const;

 private:
  enum class Phase { kStarting, kRunning, kFailing, kDraining, kExited };

  struct Container {
    ContainerRecord record;
    Phase phase = Phase::kStarting;
    kernel::Pidfd process;
    CgroupHandles cgroup;
    uint64_t oom_kills_before = 0;
    init::InitReport report;
    Poller::Watch report_watch;
    Started done;
    LogSource log;  // until handed to the log writer
    std::optional<uint64_t> log_slot;
    UniqueFd stdin_write;  // kept for whoever attaches
    UniqueFd terminal;     // the pty's master
    std::optional<Error> failure;
    std::optional<SteadyTime> kill_at;  // end of a start's patience or of a grace period
    int stop_signal = 0;                // sent last; 0: none
  };

  // The container's ends of its standard files; closed in the shim once the child has them.
  struct StandardFiles {
    UniqueFd in, out, err;
  };

  Result<std::unique_ptr<Container>> launchContainer(StartContainer& request,
                                                     std::vector<UniqueFd> descriptors,
                                                     const std::vector<UniqueFd>& mounts);
  Result<void> setPidNamespace(const ContainerPlan& plan, struct LaunchRequest& launch) const;
  Result<StandardFiles> makeStandardFiles(const ContainerPlan& plan, Container& container) const;
  init::InitContext contextFor(const StartContainer& request, const CgroupHandles& cgroup,
                               const StandardFiles& files) const;
  void onReport(Container& container);
  void becomeRunning(Container& container);
  void beginDrain(Container& container);
  void finishExit(Container& container, uint64_t dropped_lines);
  void failStart(Container& container);
  static Result<void> kill(const Container& container);
  Container* find(const std::string& id) const;
  void erase(const Container& container);

  Poller& poller_;
  const Sandbox& sandbox_;
  LogClient& logs_;
  DirFd exits_;
  Hooks hooks_;
  std::vector<std::unique_ptr<Container>> containers_;  // oldest first
};

// How a first process' end looks in a record; `status` is of waitpid(2).
void setExit(ContainerRecord& record, int status);

}  // namespace keelson::runtime::shim
