// keelson-shim: one a pod, or a helper that opens one host path. See README.md.
#include <malloc.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstring>

#include "runtime/shim/host_path.h"
#include "runtime/shim/shim.h"
#include "runtime/wire.h"

namespace keelson::runtime::shim {
namespace {

constexpr size_t kMaxErrorText = 2048;  // the ready record is one write of at most PIPE_BUF

Result<std::unique_ptr<Shim>> createShim() {
  UniqueFd memfd(kShimPlanFd), listener(kShimListenFd);
  DirFd run_folder{UniqueFd(kShimRunFolderFd)};
  for (const int fd : {kShimPlanFd, kShimListenFd, kShimRunFolderFd, kShimReadyFd})
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) return sysError("descriptor {}", fd);
  const std::string bytes = TRY_CTX(readFd(memfd.get(), kMaxMemfdBodyBytes), "sandbox plan");
  SandboxPlan plan = TRY_CTX(decodeWire<SandboxPlan>(bytes), "sandbox plan");
  memfd.reset();
  return Shim::create(std::move(plan), std::move(listener), std::move(run_folder));
}

int runShim() {
  prctl(PR_SET_NAME, "keelson-shim", 0, 0, 0);  // execve named it after the memfd
  UniqueFd ready(kShimReadyFd);
  // Large buffers come and go as mappings of their own, so the heap stays small.
  mallopt(M_MMAP_THRESHOLD, 64 * 1024);
  auto shim = createShim();
  ShimReady record{shim.ok(), {}};
  if (!shim) record.error = toWireError(shim.error());
  if (record.error.text.size() > kMaxErrorText) record.error.text.resize(kMaxErrorText);
  auto written = writeAll(ready.get(), encodeWire(record));
  ready.reset();
  // A daemon that is no longer there to read has no pod yet: nothing runs, so leaving loses nothing.
  if (!shim || !written) return 1;
  malloc_trim(0);
  (*shim)->run();
  return 0;
}

}  // namespace
}  // namespace keelson::runtime::shim

int main(int argc, char** argv) {
  namespace shim = keelson::runtime::shim;
  if (argc == 1) return shim::runShim();
  if (argc == 2 && std::strcmp(argv[1], keelson::runtime::kHostPathCommand) == 0)
    return shim::runHostPathHelper(keelson::runtime::kHostPathFd);
  constexpr char kUsage[] = "keelson-shim is started by keelson\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, kUsage, sizeof kUsage - 1);
  return 2;
}
