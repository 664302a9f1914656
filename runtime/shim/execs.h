// Commands in running containers.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernel/pidfd.h"
#include "runtime/init/report.h"
#include "runtime/shim/containers.h"
#include "runtime/shim/poller.h"
#include "runtime/shim/sandbox.h"
#include "runtime/shim_protocol.h"

namespace keelson::runtime::shim {

inline constexpr size_t kMaxExecs = 256;  // at a time

// Runs each command in a cgroup of its own below the container's (exec-<n>), so that a time-out or a cancel
// ends it with all of its descendants. What a command leaves running when it ends by itself lives on, as
// users of `kubectl exec` expect. Owned by Shim.
class Execs {
 public:
  // Ok: it runs (or will say in the result why not), with the pty's master if there is a terminal.
  using Started = std::function<void(Result<UniqueFd>)>;

  Execs(Poller& poller, const Sandbox& sandbox, const Containers& containers)
      : poller_(poller), sandbox_(sandbox), containers_(containers) {}

  void start(Exec request, std::vector<UniqueFd> descriptors, Started done);
  bool onExit(pid_t pid, int status);
  std::optional<SteadyTime> nextDeadline() const;
  void onTime(SteadyTime now);
  void killAll();
  bool idle() const { return execs_.empty(); }

 private:
  struct Running {
    pid_t pid = 0;  // outside of the container's pid namespace at first, then its successor inside
    kernel::Pidfd process;
    DirFd parent;      // the container's v2 directory; invalid on pure v1
    std::string name;  // exec-<n>
    DirFd cgroup;
    init::InitReport report;
    Poller::Watch report_watch;
    UniqueFd result;
    UniqueFd cancel;
    Poller::Watch cancel_watch;
    Started done;  // until answered
    bool timed_out = false;
    bool killed = false;
    std::optional<SteadyTime> deadline;
  };
  struct Leftover {  // an exec's cgroup that still has processes
    DirFd parent;
    std::string name;
  };

  Result<std::unique_ptr<Running>> launchExec(const Exec& request, std::vector<UniqueFd> descriptors);
  void onReport(Running& exec, pid_t reaped = 0);
  // Goes on with the process that the first one left in the container; `reaped` has just been waited for.
  void adoptSuccessor(Running& exec, pid_t reaped);
  void kill(Running& exec);
  void writeResult(Running& exec, const ExecOutcome& outcome);
  ExecOutcome outcomeOf(const Running& exec, int status) const;
  void removeCgroup(Running& exec);
  void removeLeftovers();

  Poller& poller_;
  const Sandbox& sandbox_;
  const Containers& containers_;
  uint64_t next_number_ = 1;
  std::vector<std::unique_ptr<Running>> execs_;
  std::vector<Leftover> leftovers_;
  std::optional<SteadyTime> retry_leftovers_;
};

}  // namespace keelson::runtime::shim
