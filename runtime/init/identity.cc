// Steps: from root with everything to the user of the container, then execve.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <climits>

#include "runtime/init/executable.h"
#include "runtime/init/report.h"
#include "runtime/init/step_list.h"

namespace keelson::runtime::init {
namespace {

constexpr int kMaxCapability = 63;

// permitted and effective; inheritable stays empty (CVE-2022-24769).
Result<void> setCapabilities(uint64_t bits) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  for (int word = 0; word < 2; ++word)
    data[word].permitted = data[word].effective = static_cast<uint32_t>(bits >> (32 * word));
  if (syscall(SYS_capset, &header, data) < 0) return sysError("capset");
  return {};
}

Result<uint64_t> permittedCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) < 0) return sysError("capget");
  return uint64_t{data[1].permitted} << 32 | data[0].permitted;
}

Result<void> limitBoundingSet(uint64_t keep) {
  for (int capability = 0; capability <= kMaxCapability; ++capability) {
    if (keep >> capability & 1) continue;
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
    if (errno == EINVAL) break;  // beyond the kernel's last one
    return sysError("drop capability {} from the bounding set", capability);
  }
  return {};
}

// Without no_new_privs a filter needs CAP_SYS_ADMIN (seccomp(2)), kept for just that long.
bool needsAdminForSeccomp(const ProcessPlan& process) {
  return !process.seccomp_bpf.empty() && !process.no_new_privileges;
}
constexpr uint64_t kAdminBit = 1ull << CAP_SYS_ADMIN;

// Refuses a working directory outside of the root (CVE-2024-21626): the kernel then says "(unreachable)".
Result<void> verifyInside() {
  std::array<char, PATH_MAX> path;
  if (syscall(SYS_getcwd, path.data(), path.size()) < 0) return sysError("getcwd");
  if (path[0] != '/')
    return makeError(Code::kInvalidArgument, "working directory is outside of the container");
  return {};
}

Error cwdError(const std::string& cwd, int err) {
  return Error{err == ENOENT ? Code::kNotFound : Code::kInvalidArgument, err,
               fmt::format("chdir to cwd (\"{}\") set in config.json failed: {}", cwd, errnoWords(err))};
}

std::vector<char*> pointersTo(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Result<void> resetSignals(InitContext&) {
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);  // SIGKILL and SIGSTOP refuse
  sigset_t none;
  sigemptyset(&none);
  if (sigprocmask(SIG_SETMASK, &none, nullptr) < 0) return sysError("sigprocmask");
  return {};
}

Result<void> enterWorkingDirectory(InitContext& context) {
  const std::string& cwd = context.process->cwd;
  if (chdir(cwd.empty() ? "/" : cwd.c_str()) == 0) return verifyInside();
  if (errno != EACCES && errno != EPERM) return cwdError(cwd, errno);
  context.cwd_retry = true;  // NFS with root_squash lets the user in, not root
  return {};
}

Result<void> joinSessionKeyring(InitContext&) {
  // Without a name: a new one. Kernels without keyrings, full quotas and filters of the host may refuse it.
  if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) >= 0) return {};
  if (errno == ENOSYS || errno == EDQUOT || errno == EACCES) return {};
  return sysError("keyctl");
}

Result<void> setIdentity(InitContext& context) {
  const ProcessPlan& process = *context.process;
  const uint64_t held = TRY(permittedCapabilities());
  TRY(limitBoundingSet(process.capabilities));
  // Raw system calls: glibc's wrappers would tell threads that this process does not have.
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) return sysError("keep capabilities");
  if (syscall(SYS_setgroups, process.groups.size(), process.groups.data()) < 0) return sysError("setgroups");
  if (syscall(SYS_setresgid, process.gid, process.gid, process.gid) < 0)
    return sysError("setgid {}", process.gid);
  if (syscall(SYS_setresuid, process.uid, process.uid, process.uid) < 0)
    return sysError("setuid {}", process.uid);
  if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0) return sysError("keep capabilities no more");
  const uint64_t wanted = process.capabilities | (needsAdminForSeccomp(process) ? kAdminBit : 0);
  TRY(setCapabilities(wanted & held));
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);  // already empty: nothing is inheritable
  umask(0022);
  return {};
}

Result<void> dieWithShim(InitContext& context) {
  // After the last change of user, which would clear it (prctl(2)).
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) return sysError("prctl");
  // Where the pidfd could not be kept, by the other end of the channel, which only the shim has.
  const bool has_pidfd = context.shim_pidfd >= 0;
  pollfd shim{has_pidfd ? context.shim_pidfd : context.channel, static_cast<short>(has_pidfd ? POLLIN : 0),
              0};
  if (poll(&shim, 1, 0) != 0) return makeError(Code::kCancelled, "the shim is gone");
  if (has_pidfd) close(std::exchange(context.shim_pidfd, -1));
  return {};
}

Result<void> enterWorkingDirectoryAsUser(InitContext& context) {
  if (!context.cwd_retry) return {};
  if (chdir(context.process->cwd.c_str()) < 0) return cwdError(context.process->cwd, errno);
  return verifyInside();
}

Result<void> lookUpExecutable(InitContext& context) {
  if (context.process->args.empty()) return makeError(Code::kInvalidArgument, "no command specified");
  context.executable = TRY(findExecutable(context.process->args[0], context.process->env));
  return {};
}

Result<void> setNoNewPrivileges(InitContext& context) {
  if (context.process->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
    return sysError("prctl");
  return {};
}

Result<void> installSeccomp(InitContext& context) {
  const std::string& bytes = context.process->seccomp_bpf;
  if (bytes.empty()) return {};
  const size_t count = bytes.size() / sizeof(sock_filter);
  if (bytes.size() % sizeof(sock_filter) != 0 || count > BPF_MAXINSNS)
    return makeError(Code::kInvalidArgument, "filter of {} bytes", bytes.size());
  sock_fprog program{};
  program.len = static_cast<unsigned short>(count);
  program.filter = reinterpret_cast<sock_filter*>(const_cast<char*>(bytes.data()));
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) return sysError("seccomp");
  return {};
}

Result<void> dropLastCapabilities(InitContext& context) {
  const ProcessPlan& process = *context.process;
  if (!needsAdminForSeccomp(process) || (process.capabilities & kAdminBit) != 0) return {};
  return setCapabilities(process.capabilities & TRY(permittedCapabilities()));
}

Result<void> executeProgram(InitContext& context) {
  const auto args = pointersTo(context.process->args);
  const auto env = pointersTo(context.process->env);
  sendAboutToExec(context.channel);
  execve(context.executable.c_str(), args.data(), env.data());
  const int err = errno;
  return Error{err == ENOENT ? Code::kNotFound : Code::kInvalidArgument, err,
               fmt::format("exec {}: {}", context.executable, errnoWords(err))};
}

}  // namespace keelson::runtime::init
