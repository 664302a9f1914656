// A directory's content copied into another, links kept as links.
#pragma once

#include "base/executor.h"
#include "base/fs.h"
#include "base/result.h"

namespace keelson::runtime {

// Everything below `from` into the empty directory `to`, with owners, modes, times and extended attributes,
// those of the top included. Symbolic links are copied, never followed; device nodes and sockets are left
// out; hard links become files of their own. kResourceExhausted beyond the limits below.
Result<void> copyTree(const DirFd& from, const DirFd& to, Stop& stop);

inline constexpr size_t kMaxCopyDepth = 128;
inline constexpr size_t kMaxCopyEntries = 1'000'000;
inline constexpr uint64_t kMaxCopyBytes = uint64_t{64} << 30;

}  // namespace keelson::runtime
