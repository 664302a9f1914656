// System calls on names beneath one directory, for the hot path of layer writing.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace keelson::runtime::images {

// openat2(2). An invalid descriptor with errno set on failure: the callers branch on errno, and a
// Result per file would cost an allocation for every EEXIST.

// `path` below `root` with symbolic links resolved as if `root` were "/" (RESOLVE_IN_ROOT).
UniqueFd openInRoot(int root, const std::string& path, int flags);
// One component in `directory`; a symbolic link there is refused (RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS).
UniqueFd openChild(int directory, const std::string& name, int flags, mode_t mode = 0);

// True for overlayfs' whiteout, a character device 0:0.
// https://docs.kernel.org/filesystems/overlayfs.html#whiteouts-and-opaque-directories
bool isWhiteout(int directory, const std::string& name);
Result<void> makeWhiteout(int directory, const std::string& name);
// Hides what the layers below have in this directory.
Result<void> setOpaque(int directory);

}  // namespace keelson::runtime::images
