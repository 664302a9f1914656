// The shim's executable, sealed once for all pods.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace keelson::runtime {

// A sealed memfd of the file at `path`; "" means ../libexec/keelson/keelson-shim beside this program. Shared
// by every shim and host-path helper. kNotFound names the path.
Result<std::shared_ptr<const UniqueFd>> sealShim(const std::string& path);

}  // namespace keelson::runtime
