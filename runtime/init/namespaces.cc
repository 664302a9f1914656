// Steps: cgroups, namespaces and what the kernel counts against the process.
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>

#include "base/fs.h"
#include "kernel/cgroup.h"
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
  // Its pid namespace was chosen by the shim before clone3: a process cannot change its own.
  const int kinds = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
  if (setns(context.exec_target, kinds) < 0) return sysError("setns");
  return {};
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
