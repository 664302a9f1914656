#include "runtime/shim/launch.h"

#include <sched.h>
#include <sys/socket.h>

#include "runtime/shim/syscalls.h"

namespace keelson::runtime::shim {

Result<Launched> launch(const Sandbox& sandbox, LaunchRequest request) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return sysError("socketpair");
  UniqueFd ours(ends[0]), childs(ends[1]);
  const kernel::Pidfd self = TRY(kernel::Pidfd::open(getpid()));
  request.context.channel = childs.get();
  request.context.proc = sandbox.proc();
  request.context.shim_pidfd = self.get();
  request.context.files_limit = sandbox.filesLimit();
  // Each message comes with its sender, whom the kernel vouches for (unix(7)).
  const int on = 1;
  if (setsockopt(ours.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0) return sysError("SO_PASSCRED");

  // setns(2) with CLONE_NEWPID moves the children to come, not the caller: so the child is born in the
  // wanted namespace with the shim as its parent, and no process in between has to be reaped.
  if (request.pid_namespace >= 0 && setns(request.pid_namespace, CLONE_NEWPID) < 0)
    return sysError("enter pid namespace");
  int pidfd = -1;
  const pid_t pid = cloneProcess(request.namespaces, &pidfd, request.cgroup);
  if (pid == 0) init::runInit(request.steps, request.context);
  const int clone_errno = errno;
  if (request.pid_namespace >= 0 && setns(sandbox.ownPidNamespace(), CLONE_NEWPID) < 0) {
    // The next container would be born in the wrong namespace; the daemon replaces a shim that has died.
    _exit(1);
  }
  if (pid < 0) return errnoError(clone_errno, "clone3");
  return Launched{pid, kernel::Pidfd(UniqueFd(pidfd)), init::InitReport(std::move(ours), pid)};
}

}  // namespace keelson::runtime::shim
