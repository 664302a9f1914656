// The init of a pid namespace that the pod's containers share.
#pragma once

#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"

namespace keelson::runtime::shim {

struct PodInit {
  pid_t pid = -1;
  UniqueFd pid_namespace;
  UniqueFd life;  // closing it, also by dying, ends the init and so every process of the namespace
};

// Starts the namespace's first process: it reaps and does nothing else, for as long as the shim lives.
// Containers of the pod see it as process 1 and may, with CAP_SYS_PTRACE, take it over, so it has nothing
// worth taking: an empty read-only root, the pod's namespaces, no capability, a user of its own, and read(2)
// and exit(2) as its only system calls.
Result<PodInit> startPodInit(int net, int ipc, int uts, int proc);

}  // namespace keelson::runtime::shim
