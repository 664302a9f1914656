// Paths of the host as mounts for a pod, opened where a hung file system cannot hurt.
#pragma once

#include <memory>
#include <string>

#include "base/executor.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/plan.h"

namespace keelson::runtime {

struct HostPathRequest {
  std::string path;       // absolute, on the host
  std::string type;       // HostPathVolume.type; checked and, for ...OrCreate, made first
  std::string sub_path;   // below `path`, resolved without leaving it; a missing directory is made
  bool recursive = true;  // with what is mounted below (rbind)
  Propagation propagation = Propagation::kPrivate;
};

struct OpenedHostPath {
  UniqueFd mount;  // detached, propagation set
  bool is_directory = true;
};

// Opens host paths in a disposable helper process: a path on a dead NFS server leaves that process in
// D state and this call with kDeadlineExceeded, and nothing else. At most `kMaxHungHelpers` such processes
// may pile up, of one request.path `kMaxHungHelpersOfPath` that have outlived their SIGKILL; further calls
// fail at once with kResourceExhausted until one ends. Any thread.
class HostPaths {
 public:
  virtual ~HostPaths() = default;
  // Errors: kFailedPrecondition "hostPath type check failed: p is not a directory" (Kubernetes' words),
  // kNotFound, kInvalidArgument (sub_path leaves the volume), kDeadlineExceeded.
  virtual Result<OpenedHostPath> open(const HostPathRequest& request, Stop& stop) = 0;
};

inline constexpr int kMaxHungHelpers = 64;
inline constexpr int kMaxHungHelpersOfPath = 2;

// The real one: a "keelson-shim host-path" process a call. `shim` is the sealed executable (shim_image.h).
// Destroy it on the loop's thread or when the loop does not run.
std::unique_ptr<HostPaths> makeHostPaths(Loop& loop, std::shared_ptr<const UniqueFd> shim);

}  // namespace keelson::runtime
