// Network namespaces by descriptor.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

namespace keelson::kernel {

// A socket made inside the network namespace `netns` (socket(2)'s arguments, SOCK_CLOEXEC added). The
// only way into one: a short-lived thread enters, opens, and ends. Blocks for that long. Any thread.
Result<UniqueFd> openSocket(int netns, int family, int type, int protocol);

// The network namespace this process runs in.
Result<UniqueFd> openOwnNetns();

}  // namespace keelson::kernel
