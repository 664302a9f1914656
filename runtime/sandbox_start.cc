// NativeRuntime: a pod's sandbox from nothing to ready.
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <csignal>
#include <cstdio>
#include <cstring>

#include "base/undo.h"
#include "kernel/process.h"
#include "runtime/cgroup_apply.h"
#include "runtime/native_runtime.h"
#include "runtime/packet.h"
#include "runtime/run_folder.h"
#include "runtime/shim_links.h"
#include "runtime/wire.h"

namespace keelson::runtime {
namespace {

constexpr Duration kReadyTimeout = std::chrono::seconds(20);
constexpr Duration kUndoTimeout = std::chrono::seconds(10);
constexpr size_t kReadyLimit = 4096;
constexpr int kBacklog = 4;

// Listens at shim.sock of the folder. The daemon binds, so that it can connect the moment the shim is ready;
// the shim alone keeps the listening end, so that its death refuses connections.
Result<UniqueFd> listenIn(const DirFd& folder) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return sysError("socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = fmt::format("/proc/self/fd/{}/{}", folder.get(), kSocketFile);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return sysError("bind {}", kSocketFile);
  }
  if (::fchmodat(folder.get(), kSocketFile, 0600, 0) != 0) return sysError("chmod {}", kSocketFile);
  if (::listen(socket.get(), kBacklog) != 0) return sysError("listen");
  return socket;
}

Result<void> readReady(int pipe, Stop& stop) {
  std::string text;
  for (;;) {
    TRY(waitFor(pipe, POLLIN, "wait until the shim is ready", stop));
    char buffer[kReadyLimit];
    const ssize_t got = ::read(pipe, buffer, sizeof buffer);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return sysError("read the shim's answer");
    if (got == 0) break;
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > kReadyLimit) return makeError(Code::kDataLoss, "the shim's answer is too long");
  }
  if (text.empty()) return makeError(Code::kUnavailable, "the shim died before it was ready");
  auto ready = TRY(decodeWire<ShimReady>(text));
  if (!ready.ok) return fromWireError(std::move(ready.error));
  return {};
}

// A started shim, ended again unless the set-up comes to its end.
Result<void> spawnShim(const NativeRuntimeOptions& options, const SandboxPlan& plan, const DirFd& folder,
                       const kernel::Cgroup& cgroup, Undo& undo, Stop& stop) {
  const UniqueFd socket = TRY(listenIn(folder));
  const UniqueFd memfd = TRY(sealedMemfd("keelson-sandbox", encodeWire(plan)));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return sysError("pipe");
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);

  kernel::SpawnRequest request;
  request.executable = options.shim->get();
  request.args = {"keelson-shim"};
  request.descriptors = {memfd.get(), socket.get(), folder.get(), write_end.get()};
  request.cgroup = &cgroup;
  request.oom_score_adj = plan.shim_oom_score_adj;
  auto shim = TRY_CTX(kernel::spawn(request), "start the shim");
  const auto process = std::make_shared<kernel::Pidfd>(std::move(shim.pidfd));
  undo.push([process] {
    (void)process->signal(SIGKILL);
    (void)process->waitEnd(kUndoTimeout);
    reap(process->get());
  });
  write_end.reset();
  Stop bounded = stop.within(kReadyTimeout);
  return readReady(read_end.get(), bounded);
}

}  // namespace

Result<void> NativeRuntime::createSandbox(const SandboxRequest& request, Stop& stop) {
  const PodUid uid(request.plan.uid);
  TRY(checkUid(uid));
  TRY(stop.check("create sandbox"));
  const DirFd pods = TRY(ensurePodsFolder(options_.run_dir));
  if (::faccessat(pods.get(), uid.str().c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
    return makeError(Code::kAlreadyExists, "create sandbox {}: its run folder exists", uid.str());
  }

  Undo undo;
  const std::string temporary = kNewPrefix + uid.str() + "-" + randomHex(4);
  const DirFd folder = TRY(pods.ensureDir(temporary, 0700));
  undo.push([&pods, temporary] { (void)pods.removeTree(temporary); });
  SavedSandbox saved{request.plan, request.cgroup.path, toWire(options_.clock->wall())};
  saved.plan.boot_id = options_.boot_id;
  TRY(writeSandbox(folder, saved));
  TRY(folder.ensureDir(kPlansDirectory, 0700));

  const auto undoCgroup = [this](const std::string& path) {
    return [this, path] {
      Stop bounded(kUndoTimeout);
      (void)destroyCgroup(options_.hierarchies, path, bounded);
    };
  };
  undo.push(undoCgroup(request.cgroup.path));
  TRY(ensureCgroup(options_.hierarchies, request.cgroup));
  const std::string shim_path = shimCgroupPath(options_.cgroups, uid);
  undo.push(undoCgroup(shim_path));
  const auto shim_cgroup = TRY(kernel::Cgroup::ensure(options_.hierarchies, shim_path));

  TRY(spawnShim(options_, saved.plan, folder, shim_cgroup, undo, stop));
  auto client = TRY(ShimClient::connect(folder, stop));
  if (::renameat2(pods.get(), temporary.c_str(), pods.get(), uid.str().c_str(), RENAME_NOREPLACE) != 0) {
    return sysError("name the run folder of {}", uid.str());
  }
  undo.commit();
  links_->adopt(uid, std::move(client));
  links_->notify(uid);
  return {};
}

}  // namespace keelson::runtime
