// The functions behind the tables of steps.cc.
#pragma once

#include "base/result.h"
#include "kernel/mount.h"
#include "runtime/init/init_context.h"

namespace keelson::runtime::init {

// namespaces.cc
Result<void> joinCgroups(InitContext& context);
Result<void> joinPodNamespaces(InitContext& context);
Result<void> joinContainer(InitContext& context);
Result<void> enterPidNamespace(InitContext& context);
Result<void> makeCgroupNamespace(InitContext& context);
Result<void> setOomScore(InitContext& context);
Result<void> setRlimits(InitContext& context);

// system_mounts.cc
Result<void> attachRoot(InitContext& context);
Result<void> mountProc(InitContext& context);
Result<void> mountDev(InitContext& context);
Result<void> mountDevpts(InitContext& context);
Result<void> mountShm(InitContext& context);
Result<void> mountMqueue(InitContext& context);
Result<void> mountSys(InitContext& context);
Result<void> mountCgroup(InitContext& context);

// plan_mounts.cc
// The detached mount of a plan, as restricted as the plan says. Once a plan.
Result<kernel::Mount> takeVolume(InitContext& context, const MountPlan& plan);
Result<void> mountVolumes(InitContext& context);
Result<void> makeDevices(InitContext& context);
Result<void> makeWorkingDirectory(InitContext& context);

// path_rules.cc
Result<void> protectPaths(InitContext& context);
Result<void> maskPaths(InitContext& context);
Result<void> pivotRoot(InitContext& context);
Result<void> protectRoot(InitContext& context);

// terminal.cc
Result<void> openTerminal(InitContext& context);
Result<void> openExecTerminal(InitContext& context);
Result<void> setStandardFiles(InitContext& context);
Result<void> closeDescriptors(InitContext& context);
Result<void> startSession(InitContext& context);

// identity.cc
Result<void> resetSignals(InitContext& context);
Result<void> enterWorkingDirectory(InitContext& context);
Result<void> joinSessionKeyring(InitContext& context);
Result<void> setIdentity(InitContext& context);
Result<void> dieWithShim(InitContext& context);
Result<void> enterWorkingDirectoryAsUser(InitContext& context);
Result<void> lookUpExecutable(InitContext& context);
Result<void> setNoNewPrivileges(InitContext& context);
Result<void> installSeccomp(InitContext& context);
Result<void> dropLastCapabilities(InitContext& context);
Result<void> executeProgram(InitContext& context);

}  // namespace keelson::runtime::init
