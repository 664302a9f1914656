#include "runtime/shim/host_path.h"

#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <array>
#include <string_view>

#include "base/fs.h"
#include "kernel/mount.h"
#include "runtime/init/target_path.h"
#include "runtime/shim/message.h"
#include "runtime/wire.h"

namespace keelson::runtime::shim {
namespace {

struct TypeCheck {
  const char* type;
  mode_t kind;
  const char* noun;  // Kubernetes' word
};
constexpr std::array<TypeCheck, 7> kTypes{{{"Directory", S_IFDIR, "directory"},
                                           {"DirectoryOrCreate", S_IFDIR, "directory"},
                                           {"File", S_IFREG, "file"},
                                           {"FileOrCreate", S_IFREG, "file"},
                                           {"Socket", S_IFSOCK, "socket file"},
                                           {"CharDevice", S_IFCHR, "character device"},
                                           {"BlockDevice", S_IFBLK, "block device"}}};

// Makes what the type allows to make. Without a type a missing path becomes a directory, as container
// runtimes do.
Result<void> makeMissing(const HostPathWire& request) {
  if (request.type == "FileOrCreate") {
    // Its parent must exist.
    const UniqueFd file(
        open(request.path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644));
    if (!file) return sysError("create {}", request.path);
  } else if (request.type.empty() || request.type == "DirectoryOrCreate") {
    TRY(DirFd::ensure(request.path, 0755));
  }
  return {};
}

Result<void> checkType(const HostPathWire& request, mode_t mode) {
  if (request.type.empty()) return {};
  for (const TypeCheck& check : kTypes) {
    if (request.type != check.type) continue;
    if ((mode & S_IFMT) == check.kind) return {};
    return makeError(Code::kFailedPrecondition, "hostPath type check failed: {} is not a {}", request.path,
                     check.noun);
  }
  return makeError(Code::kInvalidArgument, "hostPath type \"{}\" is unknown", request.type);
}

// `sub_path` below the volume. Its content may be a container's: the kernel resolves and refuses to leave.
Result<UniqueFd> openSubPath(const UniqueFd& volume, const std::string& sub_path) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const auto openBelow = [&] {
    return UniqueFd(static_cast<int>(syscall(SYS_openat2, volume.get(), sub_path.c_str(), &how, sizeof how)));
  };
  UniqueFd found = openBelow();
  if (!found && errno == ENOENT) {
    TRY(init::ensureTarget(volume.get(), "/" + sub_path, true));
    found = openBelow();
  }
  if (!found && errno == EXDEV)
    return makeError(Code::kInvalidArgument, "subPath {} leaves the volume", sub_path);
  if (!found) return sysError("subPath {}", sub_path);
  return found;
}

uint64_t propagationFlag(Propagation propagation) {
  switch (propagation) {
    case Propagation::kShared:
      return MS_SHARED;
    case Propagation::kSlave:
      return MS_SLAVE;
    default:
      return MS_PRIVATE;
  }
}

HostPathAnswer answerOf(const Result<HostMount>& opened) {
  HostPathAnswer answer;
  answer.ok = opened.ok();
  if (opened) {
    answer.is_directory = opened->is_directory;
  } else {
    answer.error = toWireError(opened.error());
  }
  return answer;
}

}  // namespace

Result<HostMount> openHostPath(const HostPathWire& request) {
  if (!request.path.starts_with('/') || request.path.size() >= PATH_MAX ||
      request.sub_path.size() >= PATH_MAX)
    return makeError(Code::kInvalidArgument, "\"{}\" is not an absolute path", request.path);
  struct stat status {};
  if (stat(request.path.c_str(), &status) < 0 && errno == ENOENT) TRY(makeMissing(request));
  UniqueFd object(open(request.path.c_str(), O_PATH | O_CLOEXEC));
  if (!object && errno == ENOENT && !request.type.empty()) TRY(checkType(request, 0));
  if (!object) return sysError("open {}", request.path);
  if (fstat(object.get(), &status) < 0) return sysError("stat {}", request.path);
  TRY(checkType(request, status.st_mode));
  if (!request.sub_path.empty()) {
    object = TRY_CTX(openSubPath(object, request.sub_path), "{}", request.path);
    if (fstat(object.get(), &status) < 0) return sysError("stat subPath {}", request.sub_path);
  }
  kernel::Mount mount = TRY_CTX(kernel::Mount::clone(object.get(), request.recursive), "{}", request.path);
  TRY_CTX(mount.setPropagation(propagationFlag(request.propagation), true), "{}", request.path);
  return HostMount{mount.release(), S_ISDIR(status.st_mode)};
}

int runHostPathHelper(int socket) {
  pollfd ready{socket, POLLIN, 0};
  if (poll(&ready, 1, -1) < 0) return 1;
  auto raw = receiveRaw(socket);
  if (!raw || !*raw) return 1;
  auto request = decodeWire<HostPathWire>((*raw)->bytes);
  const auto opened = request ? openHostPath(*request) : Result<HostMount>(request.error());
  const int descriptors[] = {opened ? opened->mount.get() : -1};
  const std::span<const int> sent(descriptors, opened ? 1 : 0);
  return sendRaw(socket, encodeWire(answerOf(opened)), sent) ? 0 : 1;
}

}  // namespace keelson::runtime::shim
