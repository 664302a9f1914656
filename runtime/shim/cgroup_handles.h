// A container's cgroup as the descriptors that the daemon sent.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/fs.h"
#include "base/result.h"

namespace keelson::runtime::shim {

// Names nothing: the daemon makes and removes the directories. Either part may be absent, not both. The v1
// directories are in the order of their controllers' names. Owned by its container.
struct CgroupHandles {
  DirFd unified;
  std::vector<DirFd> v1;
  std::vector<std::string> v1_controllers;  // "cpu,cpuacct": one string a hierarchy

  std::vector<int> v1Descriptors() const;
  // SIGKILL to every process in it and below; returns when all are signalled, not when they are gone.
  Result<void> kill() const;
  // OOM kills so far; 0 where the memory controller is not there.
  uint64_t oomKills() const;
  // The v1 hierarchy with that controller, or nullptr.
  const DirFd* v1With(std::string_view controller) const;
};

// cgroup.kill (Linux 5.14) of one v2 directory.
Result<void> killUnified(const DirFd& directory);

}  // namespace keelson::runtime::shim
