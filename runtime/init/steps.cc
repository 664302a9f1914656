#include "runtime/init/steps.h"

#include <unistd.h>

#include "runtime/init/report.h"
#include "runtime/init/step_list.h"

namespace keelson::runtime::init {
namespace {

constexpr InitStep kContainerSteps[] = {
    {"join cgroups", Fault::kNode, joinCgroups},
    {"join namespaces of the pod", Fault::kNode, joinPodNamespaces},
    {"make cgroup namespace", Fault::kNode, makeCgroupNamespace},
    {"set oom_score_adj", Fault::kNode, setOomScore},
    {"set resource limits", Fault::kNode, setRlimits},
    {"reset signals", Fault::kNode, resetSignals},
    {"attach root", Fault::kNode, attachRoot},
    {"mount proc", Fault::kNode, mountProc},
    {"mount dev", Fault::kNode, mountDev},
    {"mount dev/pts", Fault::kNode, mountDevpts},
    {"mount dev/shm", Fault::kNode, mountShm},
    {"mount dev/mqueue", Fault::kNode, mountMqueue},
    {"mount sys", Fault::kNode, mountSys},
    {"mount sys/fs/cgroup", Fault::kNode, mountCgroup},
    {"open terminal", Fault::kNode, openTerminal},
    {"mount volume", Fault::kAsIs, mountVolumes},
    {"make device", Fault::kNode, makeDevices},
    {"make working directory", Fault::kContainer, makeWorkingDirectory},
    {"protect", Fault::kNode, protectPaths},
    {"mask", Fault::kNode, maskPaths},
    {"pivot_root", Fault::kNode, pivotRoot},
    {"protect root", Fault::kNode, protectRoot},
    {"set standard files", Fault::kNode, setStandardFiles},
    {"close descriptors", Fault::kNode, closeDescriptors},
    {"start session", Fault::kNode, startSession},
    {"", Fault::kContainer, enterWorkingDirectory},
    {"join session keyring", Fault::kNode, joinSessionKeyring},
    {"set user", Fault::kNode, setIdentity},
    {"die with the shim", Fault::kNode, dieWithShim},
    {"", Fault::kContainer, enterWorkingDirectoryAsUser},
    {"", Fault::kContainer, lookUpExecutable},
    {"set no_new_privs", Fault::kNode, setNoNewPrivileges},
    {"install seccomp filter", Fault::kNode, installSeccomp},
    {"drop capabilities", Fault::kNode, dropLastCapabilities},
    {"", Fault::kContainer, executeProgram},
};

constexpr InitStep kExecSteps[] = {
    {"join cgroups", Fault::kNode, joinCgroups},
    {"set oom_score_adj", Fault::kNode, setOomScore},
    {"set resource limits", Fault::kNode, setRlimits},
    {"reset signals", Fault::kNode, resetSignals},
    {"join container", Fault::kNode, joinContainer},
    {"open terminal", Fault::kNode, openExecTerminal},
    {"set standard files", Fault::kNode, setStandardFiles},
    {"close descriptors", Fault::kNode, closeDescriptors},
    {"enter pid namespace", Fault::kNode, enterPidNamespace},
    {"start session", Fault::kNode, startSession},
    {"", Fault::kContainer, enterWorkingDirectory},
    {"join session keyring", Fault::kNode, joinSessionKeyring},
    {"set user", Fault::kNode, setIdentity},
    {"die with the shim", Fault::kNode, dieWithShim},
    {"", Fault::kContainer, enterWorkingDirectoryAsUser},
    {"", Fault::kContainer, lookUpExecutable},
    {"set no_new_privs", Fault::kNode, setNoNewPrivileges},
    {"install seccomp filter", Fault::kNode, installSeccomp},
    {"drop capabilities", Fault::kNode, dropLastCapabilities},
    {"", Fault::kContainer, executeProgram},
};

constexpr int kInitFailed = 127;  // seen by nobody but ps: the channel carries the reason

}  // namespace

std::span<const InitStep> containerSteps() { return kContainerSteps; }
std::span<const InitStep> execSteps() { return kExecSteps; }

Error stepError(const InitStep& step, Error error) {
  const bool container_code = error.code == Code::kInvalidArgument || error.code == Code::kNotFound;
  if (step.fault == Fault::kNode && container_code) error.code = Code::kInternal;
  if (step.fault == Fault::kContainer && !container_code) error.code = Code::kInvalidArgument;
  return *step.name == '\0' ? std::move(error) : std::move(error).withContext(step.name);
}

void runInit(std::span<const InitStep> steps, InitContext& context) {
  for (const InitStep& step : steps) {
    auto done = step.run(context);
    if (done) continue;
    sendInitError(context.channel, stepError(step, std::move(done).error()));
    break;
  }
  _exit(kInitFailed);
}

}  // namespace keelson::runtime::init
