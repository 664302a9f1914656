// Starting a process without fork's copies: clone3, raw system calls, execve.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "kernel/pidfd.h"

namespace keelson::kernel {

class Cgroup;

struct SpawnRequest {
  int executable = -1;            // fexecve of this descriptor (a sealed memfd)
  std::vector<std::string> args;  // argv, args[0] included
  std::vector<std::string> env;
  std::vector<int> descriptors;  // become 3, 4, 5, ...; 0-2 become /dev/null unless given
  int stdin_fd = -1, stdout_fd = -1, stderr_fd = -1;
  const Cgroup* cgroup = nullptr;  // joined before exec; nullptr: stays in the caller's
  int oom_score_adj = 0;
  bool new_session = true;
};

struct SpawnedProcess {
  Pidfd pidfd;
  pid_t pid = 0;
};

// clone3(CLONE_VFORK | CLONE_VM | CLONE_PIDFD [| CLONE_INTO_CGROUP]); the child makes raw system calls on
// memory prepared here, with signals reset and unblocked, every other descriptor closed, oom_score_adj and
// rlimits written, then execs. An exec or set-up failure is returned as the error it was. Any thread.
Result<SpawnedProcess> spawn(const SpawnRequest& request);

// A sealed memfd (executable) with the content of `path`: text shared by all its processes, and out of
// reach of upgrades and of writes through /proc/self/exe.
Result<UniqueFd> sealExecutable(const std::string& path);

}  // namespace keelson::kernel
