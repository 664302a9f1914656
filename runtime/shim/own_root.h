// A mount namespace with nothing of the host in it.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace keelson::runtime::shim {

// Moves the calling process into a mount namespace of its own whose root is an empty tmpfs, with "/" as
// working directory. No mount of the host is left in it: volumes of other pods never become busy through
// this process, and what is mounted here never shows on the host. `attributes` are MOUNT_ATTR_* of the tmpfs.
Result<void> enterEmptyRoot(uint64_t attributes);

}  // namespace keelson::runtime::shim
