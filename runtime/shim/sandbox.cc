#include "runtime/shim/sandbox.h"

#include <linux/mount.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <cstring>

#include "kernel/mount.h"
#include "runtime/init/init_context.h"
#include "runtime/shim/own_root.h"
#include "runtime/shim/pod_init.h"
#include "runtime/shim/syscalls.h"
#include "runtime/shim/sysctl.h"
#include "runtime/wire.h"

namespace keelson::runtime::shim {
namespace {

constexpr size_t kMaxReport = 4096;

Result<UniqueFd> openAt(int directory, const std::string& path, int flags) {
  UniqueFd fd(openat(directory, path.c_str(), flags | O_CLOEXEC));
  if (!fd) return sysError("open {}", path);
  return fd;
}

// For the "lo" of a fresh network namespace, netdevice(7).
Result<void> bringLoopbackUp() {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return sysError("socket");
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", sizeof request.ifr_name - 1);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(socket.get(), SIOCSIFFLAGS, &request) < 0) return sysError("SIOCSIFFLAGS");
  return {};
}

Result<void> writeSysctl(int proc, const SysctlPlan& sysctl, const NamespacesPlan& namespaces) {
  const std::string file = TRY(sysctlFile(sysctl.name, namespaces));
  const UniqueFd fd = TRY(openAt(proc, file, O_WRONLY | O_NOFOLLOW));
  return writeAll(fd.get(), sysctl.value);
}

// Runs inside the new namespaces.
Result<void> configureNamespaces(const SandboxPlan& plan, int proc) {
  if (!plan.namespaces.host_network) {
    if (sethostname(plan.hostname.data(), plan.hostname.size()) < 0)
      return sysError("sethostname \"{}\"", plan.hostname);
    TRY_CTX(bringLoopbackUp(), "bring lo up");
  }
  for (const SysctlPlan& sysctl : plan.sysctls)
    TRY_CTX(writeSysctl(proc, sysctl, plan.namespaces), "sysctl {}={}", sysctl.name, sysctl.value);
  return {};
}

Result<void> mountTmpfs(const std::string& path, const std::string& name,
                        std::vector<std::pair<std::string, std::string>> options) {
  options.emplace_back("source", name);
  const kernel::Mount tmpfs =
      TRY(kernel::Mount::create("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
  const UniqueFd target = TRY(openAt(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  return tmpfs.attach(target.get());
}

}  // namespace

Result<Sandbox> Sandbox::create(SandboxPlan plan) {
  Sandbox sandbox;
  sandbox.plan_ = std::move(plan);
  if (getrlimit(RLIMIT_NOFILE, &sandbox.files_limit_) < 0) return sysError("getrlimit");
  TRY_CTX(sandbox.makeTree(), "mount namespace of the shim");
  TRY_CTX(sandbox.makeNamespaces(), "namespaces of the pod");
  if (sandbox.plan_.namespaces.share_pid) TRY_CTX(sandbox.makePodPidNamespace(), "pid namespace of the pod");
  return sandbox;
}

Result<void> Sandbox::makeTree() {
  umask(0);
  kernel::Mount host_shm;
  if (plan_.namespaces.host_ipc) {
    const UniqueFd source = TRY(openAt(AT_FDCWD, "/dev/shm", O_PATH | O_DIRECTORY));
    host_shm = TRY_CTX(kernel::Mount::clone(source.get(), false), "/dev/shm of the host");
    TRY(host_shm.setPropagation(MS_PRIVATE, false));
  }
  TRY(enterEmptyRoot(MOUNT_ATTR_NOSUID));
  for (const char* directory :
       {"/proc", init::kContainerRoot, init::kPodShm, init::kPodTmpfsFolder, init::kEmptyDirectory})
    if (mkdir(directory, 0755) < 0) return sysError("mkdir {}", directory);
  if (mknod(init::kNullDevice, S_IFCHR | 0666, makedev(1, 3)) < 0)
    return sysError("mknod {}", init::kNullDevice);
  const kernel::Mount proc =
      TRY(kernel::Mount::create("proc", {}, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV));
  const UniqueFd target = TRY(openAt(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY));
  TRY(proc.attach(target.get()));
  proc_ = TRY(openAt(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY));
  own_pid_ = TRY(openAt(proc_.get(), "self/ns/pid", O_RDONLY));
  if (host_shm.valid()) {
    const UniqueFd shm = TRY(openAt(AT_FDCWD, init::kPodShm, O_PATH | O_DIRECTORY | O_NOFOLLOW));
    return host_shm.attach(shm.get());
  }
  return mountTmpfs(init::kPodShm, "shm", {{"mode", "1777"}, {"size", std::to_string(plan_.shm_size)}});
}

Result<void> Sandbox::makeNamespaces() {
  const NamespacesPlan& wanted = plan_.namespaces;
  // A pod on the host's network has the host's name too.
  const uint64_t flags =
      (wanted.host_network ? 0ull : CLONE_NEWNET | CLONE_NEWUTS) | (wanted.host_ipc ? 0ull : CLONE_NEWIPC);
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return sysError("socketpair");
  UniqueFd ours(ends[0]), childs(ends[1]);
  const pid_t child = cloneProcess(flags);
  if (child < 0) return sysError("clone3");
  if (child == 0) {
    ours.reset();
    auto done = configureNamespaces(plan_, proc_.get());
    const std::string report =
        encodeWire(done ? ShimReady{true, {}} : ShimReady{false, toWireError(done.error())});
    [[maybe_unused]] const ssize_t sent = write(childs.get(), report.data(), report.size());
    char byte = 0;
    [[maybe_unused]] const ssize_t end = read(childs.get(), &byte, 1);  // until the shim has the descriptors
    _exit(0);
  }
  childs.reset();
  std::string report(kMaxReport, '\0');
  const ssize_t got = read(ours.get(), report.data(), report.size());
  const auto finish = [&]() -> Result<void> {
    if (got <= 0) return makeError(Code::kInternal, "the process that makes them died");
    const auto ready = TRY(decodeWire<ShimReady>({report.data(), static_cast<size_t>(got)}));
    if (!ready.ok) return fromWireError(ready.error);
    const std::string folder = std::to_string(child) + "/ns/";
    net_ = TRY(openAt(proc_.get(), folder + "net", O_RDONLY));
    ipc_ = TRY(openAt(proc_.get(), folder + "ipc", O_RDONLY));
    uts_ = TRY(openAt(proc_.get(), folder + "uts", O_RDONLY));
    return {};
  };
  auto done = finish();
  ours.reset();
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return done;
}

Result<void> Sandbox::makePodPidNamespace() {
  PodInit made = TRY(startPodInit(net_.get(), ipc_.get(), uts_.get(), proc_.get()));
  pod_pid_ = std::move(made.pid_namespace);
  pod_init_life_ = std::move(made.life);
  pod_init_ = made.pid;
  return {};
}

Result<UniqueFd> Sandbox::ensureTmpfs(const EnsureTmpfs& request) const {
  if (request.name.empty() || request.name[0] == '.' || request.name.find('/') != std::string::npos)
    return makeError(Code::kInvalidArgument, "tmpfs name \"{}\"", request.name);
  const std::string path = std::string(init::kPodTmpfsFolder) + "/" + request.name;
  if (mkdir(path.c_str(), 0700) == 0) {
    std::vector<std::pair<std::string, std::string>> options{
        {"mode", fmt::format("{:o}", request.mode & 07777)}, {"gid", std::to_string(request.gid)}};
    if (request.size > 0) options.emplace_back("size", std::to_string(request.size));
    auto mounted = mountTmpfs(path, "tmpfs", std::move(options));
    if (!mounted) {
      rmdir(path.c_str());
      return std::move(mounted).error().withContext(request.name);
    }
  } else if (errno != EEXIST) {
    return sysError("mkdir {}", path);
  }
  return openAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

Result<UniqueFd> Sandbox::openNull() const { return openAt(AT_FDCWD, init::kNullDevice, O_RDWR); }

}  // namespace keelson::runtime::shim
