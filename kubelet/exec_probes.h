// Commands of probes and hooks, run in containers through the runtime.
#pragma once

#include "base/executor.h"
#include "probes/prober.h"
#include "runtime/runtime.h"

namespace keelson::kubelet {

// Asks the runtime on a lane (a short call) and reads output and result on the loop: no thread and no process
// of ours waits for the command. Time-outs are the shim's, which kills the command's whole cgroup. Both given
// outlive it. Home: loop.
class ExecProbes final : public probes::ExecProbes {
 public:
  ExecProbes(Loop& loop, Lane& lane, runtime::Runtime& runtime)
      : loop_(loop), lane_(lane), runtime_(runtime) {}
  // Dropping the attempt kills the command.
  probes::AttemptPtr start(const PodUid& uid, const ContainerId& id, const std::vector<std::string>& command,
                           Duration timeout, probes::Done done) override;

 private:
  Loop& loop_;
  Lane& lane_;
  runtime::Runtime& runtime_;
};

// What a finished command means. Pure.
probes::Outcome execOutcome(const std::vector<std::string>& command,
                            const Result<runtime::ExecResult>& result, const std::string& output);

}  // namespace keelson::kubelet
