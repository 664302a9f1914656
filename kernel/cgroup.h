// One cgroup, on v2, hybrid or v1 hosts, behind one type.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/fs.h"
#include "base/result.h"

namespace keelson::kernel {

enum class CgroupMode {
  kV2,      // one unified hierarchy with its controllers
  kHybrid,  // v1 controllers for limits plus a v2 hierarchy without them for kill, freeze, populated
  kV1,      // no v2 hierarchy at all
};

// One mounted hierarchy. "" names the v2 one; "cpu", "memory", ... v1 controllers.
struct CgroupMount {
  std::vector<std::string> controllers;  // v1: those mounted together; v2: empty
  std::string path;                      // "/sys/fs/cgroup/memory"
  bool unified = false;
};

// The hierarchies of this host that Keelson uses (cpu, cpuacct, cpuset, memory, pids, freezer, devices,
// blkio, hugetlb; v2). Read once at start. A plain value, any thread.
struct CgroupHierarchies {
  CgroupMode mode = CgroupMode::kV2;
  std::vector<CgroupMount> mounts;

  // Parses mountinfo text (proc_pid_mountinfo(5)); kUnsupported when no cgroup file system is mounted.
  static Result<CgroupHierarchies> fromMountinfo(std::string_view mountinfo);
  static Result<CgroupHierarchies> ofThisHost();
};

// A handle on one cgroup: a directory descriptor in each hierarchy. Destruction closes descriptors
// and changes nothing in the kernel; destroy() is explicit. Any thread.
class Cgroup {
 public:
  // Makes the directories, with their parents, where missing. On v2 enables every available controller
  // in the parents' cgroup.subtree_control; on v1 cpuset copies cpus and mems from the parent. `path`
  // is relative to each hierarchy's root.
  static Result<Cgroup> ensure(const CgroupHierarchies& hierarchies, const std::string& path);
  // kNotFound when it is in none of the hierarchies; those where it is missing are left out.
  static Result<Cgroup> open(const CgroupHierarchies& hierarchies, const std::string& path);

  Cgroup() = default;
  Cgroup(Cgroup&&) = default;
  Cgroup& operator=(Cgroup&&) = default;

  const std::string& path() const { return path_; }
  // The descriptors, for sending to the shim: the v2 one (absent on kV1) and the v1 ones.
  const DirFd* unified() const;
  const DirFd* controller(std::string_view name) const;  // on v2 the unified one
  std::vector<int> v1Descriptors() const;                // one a v1 hierarchy, without repeats

  // Writes or reads one control file ("memory.max") in the hierarchy that has `controller`.
  // kUnsupported when that controller is not there.
  Result<void> write(std::string_view controller, const std::string& file, std::string_view value) const;
  Result<std::string> read(std::string_view controller, const std::string& file) const;

  // Every process in this cgroup and below, by pid. Bounded at 1,000,000.
  Result<std::vector<pid_t>> processes() const;
  // Whether a process is in it or below, in any hierarchy. True also when that cannot be read.
  bool isPopulated() const;

  // SIGKILL to all of it and below: cgroup.kill where there is one (5.14), else freeze, signal each
  // and thaw, until empty. Returns when signalled, not when empty.
  Result<void> kill() const;
  // Waits until nothing runs in it or below; kDeadlineExceeded names the pids left.
  Result<void> waitEmpty(Stop& stop) const;
  Result<void> thaw() const;

  // Removes this cgroup and those below, deepest first. kFailedPrecondition while populated. Fine if absent.
  static Result<void> destroy(const CgroupHierarchies& hierarchies, const std::string& path);

  // OOM kills so far in this cgroup and below: memory.events oom_kill (v2) or memory.oom_control (v1).
  Result<uint64_t> oomKills() const;

 private:
  struct Entry {
    std::vector<std::string> controllers;
    bool unified = false;
    DirFd dir;
  };
  CgroupMode mode_ = CgroupMode::kV2;
  std::string path_;
  std::vector<Entry> entries_;
};

// The calling process joins by writing "0": async-signal-safe, for use between clone and exec.
// `tasks` descriptors are those of v1 hierarchies' directories. Returns 0 or an errno.
int joinV1Raw(const int* directories, int count);

}  // namespace keelson::kernel
