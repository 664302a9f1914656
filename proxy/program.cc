#include "proxy/program.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/fs.h"
#include "kernel/process.h"

namespace keelson::proxy {
namespace {

constexpr const char* kFolders[] = {"/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"};
constexpr size_t kMaxOutput = size_t{256} << 20;  // iptables-save of a large cluster has tens of megabytes
constexpr Duration kKillTime = std::chrono::seconds(5);

Result<UniqueFd> openProgram(const std::string& name) {
  for (const char* folder : kFolders) {
    UniqueFd file(::open(fmt::format("{}/{}", folder, name).c_str(), O_RDONLY | O_CLOEXEC));
    if (file) return file;
  }
  return makeError(Code::kNotFound, "{}: not in this system's program folders", name);
}

Result<UniqueFd> memory(const char* name) {
  UniqueFd file(::memfd_create(name, MFD_CLOEXEC));
  if (!file) return sysError("memfd_create");
  return file;
}

Result<std::string> contentOf(const UniqueFd& file) {
  if (::lseek(file.get(), 0, SEEK_SET) < 0) return sysError("seek");
  return readFd(file.get(), kMaxOutput);
}

}  // namespace

Result<ProgramResult> runProgram(const std::string& name, const std::vector<std::string>& args,
                                 std::string_view input, Stop& stop) {
  const auto program = TRY(openProgram(name));
  const auto in = TRY(sealedMemfd("input", input));
  const auto out = TRY(memory("output")), err = TRY(memory("errors"));
  kernel::SpawnRequest request;
  request.executable = program.get();
  request.args = {name};
  request.args.insert(request.args.end(), args.begin(), args.end());
  request.env = {"PATH=/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin", "LC_ALL=C"};
  request.stdin_fd = in.get();
  request.stdout_fd = out.get();
  request.stderr_fd = err.get();
  const auto started = TRY_CTX(kernel::spawn(request), "start {}", name);
  const auto ended = started.pidfd.waitEnd(stop.remaining());
  if (!ended) {
    (void)started.pidfd.signal(SIGKILL);
    (void)started.pidfd.waitEnd(kKillTime);
  }
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(started.pidfd.get()), &info, WEXITED) < 0)
    if (errno != EINTR) return sysError("wait for {}", name);
  TRY_CTX(ended, "{}", name);
  ProgramResult result;
  result.status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
  result.out = TRY_CTX(contentOf(out), "output of {}", name);
  result.err = TRY_CTX(contentOf(err), "output of {}", name);
  return result;
}

}  // namespace keelson::proxy
