// The container runtime of this node: a shim process per pod, cgroups, overlay roots.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/guarded.h"
#include "kernel/cgroup.h"
#include "runtime/runtime.h"

namespace keelson::runtime {

struct NativeRuntimeOptions {
  std::string run_dir = "/run/keelson";        // tmpfs: run folders, sockets, exit records
  std::string state_dir = "/var/lib/keelson";  // disk: writable layers
  CgroupOptions cgroups;
  kernel::CgroupHierarchies hierarchies;  // without mounts: those of this host
  std::shared_ptr<const UniqueFd> shim;   // sealShim()
  std::string boot_id;                    // "": /proc/sys/kernel/random/boot_id
  Clock* clock = &realClock();            // of records; outlives the runtime
};

class ShimLinks;

// runtime::Runtime over shims (runtime/shim). Keeps nothing that cannot be found again: everything about
// a pod is in its run folder, its shim and the kernel, so destroying this object, or losing the daemon,
// leaves pods running, and the next one goes on. Any thread for calls; destroy it on the loop's thread or
// when the loop does not run.
class NativeRuntime : public Runtime {
 public:
  static Result<std::unique_ptr<NativeRuntime>> open(NativeRuntimeOptions options, Loop& loop,
                                                     const ImageService& images);
  ~NativeRuntime() override;

  Result<std::vector<PodUid>> list() const override;
  Result<ObservedPod> status(const PodUid& uid, Stop& stop) override;
  Result<void> createSandbox(const SandboxRequest& request, Stop& stop) override;
  Result<UniqueFd> openNetns(const PodUid& uid, Stop& stop) override;
  Result<DirFd> ensureTmpfs(const PodUid& uid, const std::string& name, int64_t size, uint32_t mode,
                            Stop& stop) override;
  Result<ObservedContainer> startContainer(const PodUid& uid, ContainerRequest request, Stop& stop) override;
  Result<void> stopContainer(const PodUid& uid, const ContainerId& id, int signal, Duration grace,
                             Stop& stop) override;
  Result<void> removeContainer(const PodUid& uid, const ContainerId& id, Stop& stop) override;
  Result<ExecSession> exec(const PodUid& uid, const ContainerId& id, ExecRequest request,
                           Stop& stop) override;
  ErrorList destroySandbox(const PodUid& uid, Stop& stop) override;
  Result<std::vector<Usage>> usage(const PodUid& uid) const override;
  ErrorList cleanUp(Stop& stop) override;
  Result<void> ensureCgroups(const std::vector<CgroupRequest>& requests) override;
  void setListener(std::function<void(const PodUid&)> listener) override;

 private:
  NativeRuntime(NativeRuntimeOptions options, Loop& loop, const ImageService& images);

  Result<ObservedContainer> startIn(const PodUid& uid, ContainerRequest& request, Stop& stop);
  Result<void> forgetContainer(const DirFd& run_folder, const ContainerId& id, Stop& stop);
  ErrorList cleanUpPod(const PodUid& uid, std::set<std::string>& containers, Stop& stop);
  ErrorList destroyOrphans(const std::set<PodUid>& live, Stop& stop);

  const NativeRuntimeOptions options_;
  const ImageService& images_;
  const std::unique_ptr<ShimLinks> links_;
  // Leases on the layers of every container that is here.
  Guarded<std::map<ContainerId, std::shared_ptr<void>>> leases_;
};

}  // namespace keelson::runtime
