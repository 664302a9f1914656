// The helper mode "host-path": one path of the host as a detached mount.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/shim_protocol.h"

namespace keelson::runtime::shim {

struct HostMount {
  UniqueFd mount;
  bool is_directory = true;
};

// Checks or makes the path by its type, resolves sub_path inside of it, clones and sets propagation. Blocks
// as long as the path's file system does: that is what the helper process is for.
// https://kubernetes.io/docs/concepts/storage/volumes/#hostpath
Result<HostMount> openHostPath(const HostPathWire& request);

// Serves one request on the socket. Returns the process' exit status.
int runHostPathHelper(int socket);

}  // namespace keelson::runtime::shim
