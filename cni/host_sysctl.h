// Sysctls of the host's network namespace that forwarding for pods needs.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace keelson::cni {

// Writes `value` to /proc/sys/net/NAME unless it is there already. That tree shows the network
// namespace of the calling thread. kNotFound if there is no such sysctl.
Result<void> ensureSysctl(const std::string& name, std::string_view value);

}  // namespace keelson::cni
