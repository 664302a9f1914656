// Steps: cgroups, namespaces and what the kernel counts against the process.
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/fs.h"
#include "kernel/cgroup.h"
#include "runtime/init/report.h"
#include "runtime/init/step_list.h"

namespace keelson::runtime::init {
namespace {

Result<void> enterNamespace(int fd, int kind, const char* name) {
  if (fd < 0) return {};
  if (setns(fd, kind) < 0) return sysError("setns {}", name);
  return {};
}

}  // namespace

Result<void> joinCgroups(InitContext& context) {
  const int count = static_cast<int>(context.v1_cgroups.size());
  const int err = kernel::joinV1Raw(context.v1_cgroups.data(), count);
  if (err != 0) return errnoError(err, "write tasks");
  return {};
}

Result<void> joinPodNamespaces(InitContext& context) {
  TRY(enterNamespace(context.net, CLONE_NEWNET, "net"));
  TRY(enterNamespace(context.ipc, CLONE_NEWIPC, "ipc"));
  return enterNamespace(context.uts, CLONE_NEWUTS, "uts");
}

Result<void> joinContainer(InitContext& context) {
  // The pid namespace is for children to come: this process stays out of its members' sight.
  const int kinds = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
  if (setns(context.exec_target, kinds) < 0) return sysError("setns");
  return {};
}

// The rest of the steps runs in a child inside the pid namespace that was joined before. From its birth on,
// members of that namespace with CAP_SYS_PTRACE may look through /proc/<pid>/root and /proc/<pid>/fd, so here
// root and descriptors must be the container's already (CVE-2016-9962). The child is the shim's, by
// CLONE_PARENT, and does nothing before the shim has been told of it: its death could not be understood.
Result<void> enterPidNamespace(InitContext& context) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return sysError("pipe");
  UniqueFd told(ends[0]), tell(ends[1]);
  clone_args args{};
  args.flags = CLONE_PARENT;  // exit_signal as this process', clone(2)
  const pid_t pid = static_cast<pid_t>(syscall(SYS_clone3, &args, sizeof args));
  if (pid < 0) return sysError("clone3");
  char byte = 0;
  if (pid == 0) {
    tell.reset();
    if (read(told.get(), &byte, 1) == 1) return {};
    _exit(1);
  }
  TRY(sendSuccessor(context.channel, pid));
  if (write(tell.get(), &byte, 1) != 1) return sysError("release the child");
  _exit(0);
}

Result<void> makeCgroupNamespace(InitContext&) {
  if (unshare(CLONE_NEWCGROUP) < 0) return sysError("unshare");
  return {};
}

Result<void> setOomScore(InitContext& context) {
  const UniqueFd file(openat(context.proc, "self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (!file) return sysError("open");
  auto written = writeAll(file.get(), std::to_string(context.process->oom_score_adj));
  // Lowering needs CAP_SYS_RESOURCE, which a node may have taken away; the value then stays as inherited.
  if (!written && written.error().sys != EACCES && written.error().sys != EPERM) return written;
  return {};
}

Result<void> setRlimits(InitContext& context) {
  // The shim has raised its own; the plan may still say otherwise below.
  if (context.files_limit.rlim_max != 0) setrlimit(RLIMIT_NOFILE, &context.files_limit);
  for (const RlimitPlan& plan : context.process->rlimits) {
    const auto resource = static_cast<__rlimit_resource_t>(plan.resource);
    rlimit64 limit{plan.soft, plan.hard};
    if (setrlimit64(resource, &limit) == 0) continue;
    if (errno != EPERM) return sysError("setrlimit {}", plan.resource);
    // Raising a hard limit needs CAP_SYS_RESOURCE: as far as it goes without.
    rlimit64 current{};
    if (getrlimit64(resource, &current) < 0) return sysError("getrlimit {}", plan.resource);
    limit.rlim_max = std::min(plan.hard, current.rlim_max);
    limit.rlim_cur = std::min(plan.soft, limit.rlim_max);
    if (setrlimit64(resource, &limit) < 0) return sysError("setrlimit {}", plan.resource);
  }
  return {};
}

}  // namespace keelson::runtime::init
