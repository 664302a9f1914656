// Directories that a layer uses without describing them.
#pragma once

#include <string>
#include <vector>

#include "base/fs.h"
#include "base/result.h"

namespace keelson::runtime::images {

// A layer may hold "tmp/x" and no "tmp". The directory made for it hides the one below it in the
// overlay, so it must look like that one: /tmp would lose its sticky bit otherwise. Copies owner, mode,
// times and user attributes from the first of `lower` (top first) that has each path of `implicit`
// (parents first); a path that no layer has keeps root, 0755. May run twice.
Result<void> copyImplicitDirs(const DirFd& layer, const std::vector<std::string>& implicit,
                              const std::vector<DirFd>& lower);

}  // namespace keelson::runtime::images
