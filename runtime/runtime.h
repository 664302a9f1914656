// Sandboxes and containers, as the kubelet sees them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/fs.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/cgroup_layout.h"
#include "runtime/images/image_service.h"
#include "runtime/plan.h"

namespace keelson::runtime {

// ---- what is observed ----

enum class SandboxPhase {
  kAbsent,  // no run folder
  kReady,   // the shim answers
  kLost,    // run folder, but the shim is gone: destroySandbox() before a new one
};

struct ObservedContainer {
  ContainerId id;
  std::string name;
  uint32_t attempt = 0;
  bool running = false;  // else exited
  int32_t pid = 0;       // while running, in the host's pid namespace
  WallTime started_at;
  // Once exited:
  WallTime finished_at;
  int32_t exit_code = 0;  // 128+n after signal n
  int32_t signal = 0;
  bool oom_killed = false;
  bool started = true;  // false: execve was never reached; `error` says why, exit_code is 128
  std::string error;
  uint64_t dropped_log_lines = 0;
};

struct ObservedPod {
  SandboxPhase sandbox = SandboxPhase::kAbsent;
  uint32_t sandbox_attempt = 0;
  WallTime sandbox_created;
  int32_t shim_pid = 0;
  std::vector<ObservedContainer> containers;  // all instances not yet removed, oldest first
};

// ---- what is asked for ----

struct SandboxRequest {
  SandboxPlan plan;
  CgroupRequest cgroup;  // pod level: QoS class and limits
};

// A mount that comes from the host: detached, propagation already set (kernel/mount.h).
struct OwnedMount {
  MountPlan plan;   // token is filled in by the runtime
  UniqueFd source;  // kDescriptor: the detached mount
};

struct ContainerRequest {
  ContainerPlan plan;  // mounts empty; see `mounts`
  std::vector<OwnedMount> mounts;
  CgroupRequest cgroup;  // container level
  std::shared_ptr<const Image> image;
  std::string log_directory;  // host path, made if missing: /var/log/pods/NS_NAME_UID/CONTAINER
  // The user as Kubernetes and image name it; resolved in the root's /etc/passwd and /etc/group
  // into plan.process by the runtime, which alone sees the root.
  std::string user;                     // "", "uid[:gid]", "name[:group]"
  std::optional<int64_t> run_as_group;  // wins over the user's own group
  std::vector<uint32_t> supplemental_groups;
  bool merge_image_groups = true;  // supplementalGroupsPolicy Merge
  bool must_be_non_root = false;
};

struct ExecRequest {
  std::vector<std::string> command;
  bool tty = false;
  Duration timeout{0};  // 0: none; enforced by the shim, which kills the command's whole cgroup
  UniqueFd stdin_fd, stdout_fd, stderr_fd;  // invalid ones become /dev/null; unused with tty
};

struct ExecResult {
  int32_t exit_code = 0;  // 126/127 as shells do when the command cannot be run; `error` says why
  bool timed_out = false;
  std::string error;
};

// A started exec. Dropping it closes `cancel` and so kills the command, if it still runs.
struct ExecSession {
  UniqueFd terminal;  // tty: the pseudo-terminal's master
  UniqueFd result;    // holds the result until end-of-file: decodeExecResult()
  UniqueFd cancel;    // closing it makes the shim kill the command's cgroup
};

// The bytes of ExecSession::result up to its end-of-file, and the same read by blocking for it.
inline constexpr size_t kMaxExecResultBytes = 64 * 1024;
Result<ExecResult> decodeExecResult(std::string_view bytes);
Result<ExecResult> readExecResult(int fd);

// The container runtime of this node. Calls for different pods may run at the same time; calls for
// one pod come from its strand. Each blocks at most until its deadline; none waits for a container.
class Runtime {
 public:
  virtual ~Runtime() = default;

  // The run folders of this boot, whatever their state. Used at start to adopt and to find orphans.
  virtual Result<std::vector<PodUid>> list() const = 0;

  // The sandbox and its containers now. Connects to the shim if need be. kAbsent is not an error.
  virtual Result<ObservedPod> status(const PodUid& uid, Stop& stop) = 0;

  // Run folder, pod cgroup, shim, namespaces; all or nothing. kAlreadyExists if a run folder is there.
  virtual Result<void> createSandbox(const SandboxRequest& request, Stop& stop) = 0;
  // The pod's network namespace (the host's for hostNetwork). kFailedPrecondition if not ready.
  virtual Result<UniqueFd> openNetns(const PodUid& uid, Stop& stop) = 0;
  // Makes the tmpfs volume `name` of the pod (in the shim's mount namespace) unless it exists and
  // returns its directory. `size` 0: the kernel's default; mode 01777 style bits.
  virtual Result<DirFd> ensureTmpfs(const PodUid& uid, const std::string& name, int64_t size, uint32_t mode,
                                    Stop& stop) = 0;

  // Root, cgroup, mounts, first process. Returns when execve succeeded or failed. An error leaves
  // nothing behind. Errors carry `start_failed` semantics by code: kInvalidArgument and kNotFound are the
  // container's own fault (user, command, working directory), others are the node's.
  virtual Result<ObservedContainer> startContainer(const PodUid& uid, ContainerRequest request,
                                                   Stop& stop) = 0;
  // Sends `signal` now and arms SIGKILL of the whole cgroup in the shim after `grace`. A later call
  // may only shorten. Signal 0 only arms: a stop that begins with a hook. Returns at once; fine if it has
  // exited.
  virtual Result<void> stopContainer(const PodUid& uid, const ContainerId& id, int signal, Duration grace,
                                     Stop& stop) = 0;
  // Forgets an exited instance: record, writable layer, cgroup. Its logs stay. Fine if absent.
  virtual Result<void> removeContainer(const PodUid& uid, const ContainerId& id, Stop& stop) = 0;

  virtual Result<ExecSession> exec(const PodUid& uid, const ContainerId& id, ExecRequest request,
                                   Stop& stop) = 0;

  // Kills what still runs, proves every cgroup of the pod empty, then removes shim, namespaces,
  // writable layers, cgroups and run folder. May run twice; does not stop at the first error.
  virtual ErrorList destroySandbox(const PodUid& uid, Stop& stop) = 0;

  // Resource use now, read from the pod's cgroups, for `keelctl top`.
  struct Usage {
    std::string container;  // "" for the pod as a whole
    uint64_t cpu_nanoseconds = 0;
    Bytes memory_working_set;
    uint64_t pids = 0;
  };
  virtual Result<std::vector<Usage>> usage(const PodUid& uid) const = 0;

  // At start, before the first sandbox: what an earlier life left and no run folder of this boot accounts for
  // goes (run folders of an earlier boot, half-made ones, writable layers, cgroups with whatever runs in
  // them). Pods whose run folder is whole are not touched: list() tells them.
  virtual ErrorList cleanUp(Stop& stop) = 0;

  // Makes these cgroups (those of the QoS classes, see qosCgroups()) and writes their values. May run twice.
  virtual Result<void> ensureCgroups(const std::vector<CgroupRequest>& requests) = 0;

  // Called (from the loop) when something about a pod changed: a container started or exited, the
  // shim went away. Set once, before the first other call.
  virtual void setListener(std::function<void(const PodUid&)> listener) = 0;
};

}  // namespace keelson::runtime
