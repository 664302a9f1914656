// Paths inside a container's root, resolved as the container would.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace keelson::runtime::init {

// openat2(2) with RESOLVE_IN_ROOT and no magic links: links and ".." never leave `root`.
Result<UniqueFd> openInside(int root, const std::string& path, int flags, mode_t mode = 0);

// The mount target `path` (absolute, inside the container) as an O_PATH descriptor; missing directories
// (0755) and a missing file (0644) are made, also where a dangling link points: images without /run have
// /var/run -> /run. kInvalidArgument when it is there and of the other kind.
Result<UniqueFd> ensureTarget(int root, const std::string& path, bool is_directory);

// The same for a volume: kInvalidArgument also when it is in a proc file system.
Result<UniqueFd> ensureMountTarget(int root, const std::string& path, bool is_directory);

// The directory `name` directly below `directory`, made if missing. A link is refused: proc, sys and dev
// must not land where an image points them.
Result<UniqueFd> ensurePlainDirectory(int directory, const char* name, mode_t mode = 0755);

}  // namespace keelson::runtime::init
