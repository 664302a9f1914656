// Sealed files in memory.
#include <sys/mman.h>

#include <cerrno>

#include "base/fs.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U  // Linux 6.3; the C library of Debian 12 does not name it
#endif

namespace keelson {

Result<UniqueFd> sealedMemfd(const std::string& name, std::string_view content) {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  // The shim's image is executed from such a file, so vm.memfd_noexec=1 must not strip that. Kernels
  // before 6.3 refuse the flag (EINVAL), vm.memfd_noexec=2 forbids it (EACCES): plain data works on.
  UniqueFd fd(::memfd_create(name.c_str(), kFlags | MFD_EXEC));
  if (!fd && (errno == EINVAL || errno == EACCES)) fd = UniqueFd(::memfd_create(name.c_str(), kFlags));
  if (!fd) return sysError("memfd_create {}", name);
  TRY_CTX(writeAll(fd.get(), content), "fill memfd {}", name);
  if (::lseek(fd.get(), 0, SEEK_SET) < 0) return sysError("rewind memfd {}", name);
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0) {
    return sysError("seal memfd {}", name);
  }
  return fd;
}

}  // namespace keelson
