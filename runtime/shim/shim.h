// The shim: parent of a pod's containers.
#pragma once

#include <memory>
#include <optional>

#include "base/fs.h"
#include "base/result.h"
#include "runtime/shim/containers.h"
#include "runtime/shim/control.h"
#include "runtime/shim/execs.h"
#include "runtime/shim/log_client.h"
#include "runtime/shim/poller.h"
#include "runtime/shim/sandbox.h"

namespace keelson::runtime::shim {

// One a pod, started by the daemon and alive until it says so, whatever becomes of the daemon. Wires the
// parts together and runs the loop. Single-threaded; made once, by main.
class Shim {
 public:
  // Takes over the descriptors of shim_protocol.h, makes the sandbox, starts the log writer, writes shim.pid.
  static Result<std::unique_ptr<Shim>> create(SandboxPlan plan, UniqueFd listener, DirFd run_folder);

  // Until a shutdown is complete.
  void run();

 private:
  Shim(Sandbox sandbox, std::unique_ptr<Poller> poller, UniqueFd listener, DirFd exits, UniqueFd signals,
       LogLimits limits);
  Result<void> start();
  void handle(const Control::Request& request, Message message);
  void onStart(const Control::Request& request, Message message);
  void onExec(const Control::Request& request, Message message);
  void onSignals();
  void reap();
  void shutDown();
  State state() const;
  bool finished(SteadyTime now) const;

  Sandbox sandbox_;
  std::unique_ptr<Poller> poller_;
  UniqueFd signals_;
  Poller::Watch signals_watch_;
  Control control_;
  LogClient logs_;
  Containers containers_;
  Execs execs_;
  int64_t created_at_ = 0;
  bool leave_when_idle_ = false;                 // SIGTERM: the host goes down
  std::optional<SteadyTime> shutdown_deadline_;  // set: shutting down
};

}  // namespace keelson::runtime::shim
