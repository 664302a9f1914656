// What the parts of Cgroup share: control files and the walk over a cgroup and those below.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fs.h"
#include "base/result.h"

namespace keelson::kernel {

inline constexpr size_t kControlFileLimit = size_t{64} << 10;
inline constexpr size_t kProcsFileLimit = size_t{16} << 20;  // of one cgroup.procs
inline constexpr size_t kMaxProcesses = 1'000'000;
inline constexpr size_t kMaxCgroupDepth = 64;
inline constexpr size_t kMaxCgroupsBelow = 100'000;

// One write(2), as control files want it. The error text names the file and the value.
Result<void> writeControlFile(const DirFd& dir, const std::string& file, std::string_view value);

// `visit` for `top` and every cgroup below it, parents first. One that is removed meanwhile is passed
// over: kNotFound of `visit` counts as that. kResourceExhausted beyond the limits above.
Result<void> walkCgroups(const DirFd& top, const std::function<Result<void>(const DirFd&)>& visit);

// cgroup.procs of `top` and below: sorted, each once.
Result<std::vector<pid_t>> processesBelow(const DirFd& top);

// A decimal number, a final newline allowed; kDataLoss otherwise.
Result<uint64_t> parseNumber(std::string_view text);

}  // namespace keelson::kernel
