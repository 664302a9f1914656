// What a cgroup uses now.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "kernel/cgroup.h"
#include "runtime/runtime.h"

namespace keelson::runtime {

// CPU time, processes, and memory without what the kernel could drop at once (working set: usage less
// inactive_file, as Kubernetes counts it). A controller that is not there leaves its figure 0. kNotFound.
Result<Runtime::Usage> readUsage(const kernel::CgroupHierarchies& hierarchies, const std::string& path);

// The number after `key` and a blank in lines "key number"; 0 when there is none. Pure.
uint64_t statValue(std::string_view text, std::string_view key);

}  // namespace keelson::runtime
