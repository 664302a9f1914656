#include "cni/host_sysctl.h"

#include <fcntl.h>

#include "base/fs.h"
#include "base/unique_fd.h"

namespace keelson::cni {

Result<void> ensureSysctl(const std::string& name, std::string_view value) {
  constexpr size_t kMaxValue = 4096;
  const std::string path = "/proc/sys/net/" + name;
  const auto now = TRY_CTX(readFile(path, kMaxValue), "sysctl {}", name);
  if (std::string_view(now).substr(0, now.find('\n')) == value) return {};
  // Not through a file beside, as for real files: a sysctl takes its value by one write.
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return sysError("sysctl {}: open for writing", name);
  TRY_CTX(writeAll(fd.get(), value), "sysctl {}: set to {}", name, value);
  return {};
}

}  // namespace keelson::cni
