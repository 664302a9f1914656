// From a prepared InitContext to a process that runs the init steps.
#pragma once

#include <sys/types.h>

#include <span>

#include "base/result.h"
#include "kernel/pidfd.h"
#include "runtime/init/init_context.h"
#include "runtime/init/report.h"
#include "runtime/init/steps.h"
#include "runtime/shim/sandbox.h"

namespace keelson::runtime::shim {

struct LaunchRequest {
  std::span<const init::InitStep> steps;
  init::InitContext context;  // channel, proc and shim_pidfd are filled in
  uint64_t namespaces = 0;    // CLONE_NEW* of the child
  int pid_namespace = -1;  // joined by the child: a pid namespace or a pidfd in it; -1: as the shim or NEWPID
  int cgroup = -1;         // CLONE_INTO_CGROUP
};

struct Launched {
  pid_t pid = 0;
  kernel::Pidfd process;
  init::InitReport report;
};

// Returns as soon as the child exists; what becomes of it arrives in the report. The shim itself is
// unchanged.
Result<Launched> launch(const Sandbox& sandbox, LaunchRequest request);

}  // namespace keelson::runtime::shim
