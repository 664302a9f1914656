// The family of a process, for kernels without cgroup.kill.
#pragma once

#include <sys/types.h>

#include "base/result.h"

namespace keelson::runtime::shim {

// SIGKILL to all that descend from `pid`, by /proc/<pid>/task/*/children (CONFIG_PROC_CHILDREN) below `proc`;
// bounded. Not `pid` itself: the caller holds it by pidfd.
void killDescendants(int proc, pid_t pid);

}  // namespace keelson::runtime::shim
