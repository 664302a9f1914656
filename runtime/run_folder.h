// The run folder of a pod: what is known of it while it runs, on tmpfs.
#pragma once

#include <string>
#include <vector>

#include "base/fs.h"
#include "base/ids.h"
#include "base/result.h"
#include "runtime/plan.h"
#include "runtime/runtime.h"
#include "runtime/shim_protocol.h"

namespace keelson::runtime {

//   <run>/pods/                  0700
//     <uid>/                     0700; appears by rename when the shim is ready
//       sandbox                  SavedSandbox, by the daemon
//       shim.sock  shim.pid      by the daemon, by the shim
//       plans/<container id>     SavedContainer, by the daemon, before anything of the container is made
//       exits/<container id>     ContainerRecord, by the shim when the container ends
//     .new-<uid>-<random>/       a sandbox in the making; left by a daemon that died then

struct SavedSandbox {
  SandboxPlan plan;
  std::string cgroup;  // the pod's, relative to the hierarchies
  int64_t created_at = 0;
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, plan), codec(2, cgroup), codec(3, created_at);
  }
};

// What exec and tear-down must know about a container when the daemon that started it is gone.
struct SavedContainer {
  std::string id;
  std::string name;
  uint32_t attempt = 0;
  std::string cgroup;
  int64_t started_at = 0;  // 0: the start did not come to its end
  ProcessPlan process;
  std::string image_id;
  // The image's layers, bottom first: leased while the container exists, even when the image is removed.
  std::vector<std::string> layer_chain_ids;
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, id), codec(2, name), codec(3, attempt), codec(4, cgroup), codec(5, started_at),
        codec(6, process);
    codec(7, image_id), codec(8, layer_chain_ids);
  }
};

inline constexpr char kPlansDirectory[] = "plans";
inline constexpr char kSandboxFile[] = "sandbox";
inline constexpr char kSocketFile[] = "shim.sock";
inline constexpr char kNewPrefix[] = ".new-";
inline constexpr size_t kMaxPods = 10'000;
inline constexpr size_t kMaxContainersOfPod = 10'000;  // instances not yet removed
inline constexpr size_t kMaxRecordBytes = size_t{4} << 20;

// Names that become folders: letters, digits, '-', '_', '.', at most 200, not starting with a dot.
bool isPlainName(const std::string& name);
// kInvalidArgument unless the uid is such a name, the id 64 hex digits.
Result<void> checkUid(const PodUid& uid);
Result<void> checkId(const ContainerId& id);

Result<DirFd> ensurePodsFolder(const std::string& run_dir);
// kNotFound when the pod has none.
Result<DirFd> openRunFolder(const std::string& run_dir, const PodUid& uid);
// Every run folder, whatever its boot; those in the making are left out.
Result<std::vector<PodUid>> listRunFolders(const std::string& run_dir);
// False when shim.pid says another boot. A folder that cannot say counts as this boot's.
bool isOfBoot(const DirFd& run_folder, const std::string& boot_id);

Result<SavedSandbox> readSandbox(const DirFd& run_folder);
Result<void> writeSandbox(const DirFd& run_folder, const SavedSandbox& saved);

Result<void> writePlan(const DirFd& run_folder, const SavedContainer& saved);
Result<SavedContainer> readPlan(const DirFd& run_folder, const ContainerId& id);  // kNotFound
Result<void> removePlan(const DirFd& run_folder, const ContainerId& id);
// A file that cannot be read costs its own container only: it is left out.
std::vector<SavedContainer> readPlans(const DirFd& run_folder);
std::vector<ContainerId> listPlans(const DirFd& run_folder);

std::vector<ContainerRecord> readExits(const DirFd& run_folder);
Result<void> writeExit(const DirFd& run_folder, const ContainerRecord& record);
Result<void> removeExit(const DirFd& run_folder, const ContainerId& id);

ObservedContainer observed(const ContainerRecord& record);
int64_t toWire(WallTime time);
WallTime fromWire(int64_t nanoseconds);

}  // namespace keelson::runtime
