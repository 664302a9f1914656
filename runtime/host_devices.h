// The host's device nodes, for privileged containers.
#pragma once

#include <vector>

#include "base/fs.h"
#include "base/result.h"
#include "runtime/plan.h"

namespace keelson::runtime {

// The character and block devices below `dev` (the host's /dev) as nodes for a container's own /dev, by path.
// Left out, as containerd does: the folders pts, shm, fd, mqueue, the console, and the nodes that every
// container has. At most kMaxHostDevices, at most kMaxDeviceDepth folders deep; links are not followed.
Result<std::vector<DevicePlan>> hostDevices(const DirFd& dev);

inline constexpr size_t kMaxHostDevices = 4096;
inline constexpr size_t kMaxDeviceDepth = 8;

}  // namespace keelson::runtime
