// The pod's namespaces, held by descriptor.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include "base/fs.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/plan.h"
#include "runtime/shim_protocol.h"

namespace keelson::runtime::shim {

// What the pod's containers share. The shim is in none of these namespaces, only in a mount namespace of
// its own, which holds (runtime/init/init_context.h names the paths):
//
//   /         empty tmpfs
//   /proc     procfs of the host's pid namespace, for the shim alone
//   /shm      tmpfs "shm", with host_ipc the host's: /dev/shm of every container
//   /tmpfs/N  tmpfs volume N
//   /root     where a container's init, in a copy of this namespace, attaches its root
//   /empty, /null   cover masked paths
//
// Owned by Shim for its whole life; the namespaces end with the last descriptor and process.
class Sandbox {
 public:
  // Changes the calling process: it must be the shim, single-threaded, before anything else.
  static Result<Sandbox> create(SandboxPlan plan);

  const SandboxPlan& plan() const { return plan_; }
  int proc() const { return proc_.get(); }
  int netns() const { return net_.get(); }  // the host's with host_network
  // What a container has to join: -1 where it already is in it.
  int joinNet() const { return plan_.namespaces.host_network ? -1 : net_.get(); }
  int joinIpc() const { return plan_.namespaces.host_ipc ? -1 : ipc_.get(); }
  int joinUts() const { return plan_.namespaces.host_network ? -1 : uts_.get(); }
  // RLIMIT_NOFILE as the daemon gave it, before the shim raised its own.
  const rlimit& filesLimit() const { return files_limit_; }
  int podPidNamespace() const { return pod_pid_.get(); }  // -1 without share_pid
  pid_t podInit() const { return pod_init_; }             // -1 without share_pid
  int ownPidNamespace() const { return own_pid_.get(); }

  // The tmpfs volume, made unless it is there. One path component as name.
  Result<UniqueFd> ensureTmpfs(const EnsureTmpfs& request) const;
  // The null device of this mount namespace, for standard files.
  Result<UniqueFd> openNull() const;

 private:
  Result<void> makeTree();
  Result<void> makeNamespaces();
  Result<void> makePodPidNamespace();

  SandboxPlan plan_;
  rlimit files_limit_{};
  UniqueFd proc_;
  UniqueFd net_, ipc_, uts_;
  UniqueFd own_pid_, pod_pid_;
  pid_t pod_init_ = -1;
  UniqueFd pod_init_life_;  // its closing ends the init of the pod's pid namespace
};

}  // namespace keelson::runtime::shim
