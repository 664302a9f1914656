#include "kernel/mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "kernel/fs_context.h"

namespace keelson::kernel {
namespace {

constexpr int kMaxMessages = 16;  // of one file system context
constexpr size_t kMessageBytes = 1024;

}  // namespace

Result<FsContext> FsContext::open(const std::string& filesystem) {
  UniqueFd fd(fsopen(filesystem.c_str(), FSOPEN_CLOEXEC));
  if (!fd) return sysError("mount {}: fsopen", filesystem);
  return FsContext(filesystem, std::move(fd));
}

Result<void> FsContext::setString(const char* key, const std::string& value) {
  if (fsconfig(fd_.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0) == 0) return {};
  return failure(errno, fmt::format("option {}={}", key, value));
}

Result<void> FsContext::setFlag(const char* key) {
  if (fsconfig(fd_.get(), FSCONFIG_SET_FLAG, key, nullptr, 0) == 0) return {};
  return failure(errno, fmt::format("option {}", key));
}

Result<void> FsContext::setFd(const char* key, int value) {
  if (fsconfig(fd_.get(), FSCONFIG_SET_FD, key, nullptr, value) == 0) return {};
  return failure(errno, fmt::format("option {} by descriptor", key));
}

Result<Mount> FsContext::mount(uint64_t attributes) {
  if (fsconfig(fd_.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return failure(errno, "create");
  UniqueFd mounted(fsmount(fd_.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes)));
  if (!mounted) return failure(errno, "fsmount");
  return Mount(std::move(mounted));
}

Error FsContext::failure(int err, const std::string& what) {
  // Each read gives one message: "e " (error), "w " (warning) or "i ", then the text; ENODATA ends.
  std::string messages;
  for (int i = 0; i < kMaxMessages; ++i) {
    char text[kMessageBytes];
    const ssize_t size = ::read(fd_.get(), text, sizeof text);
    if (size <= 0) break;
    std::string_view message(text, static_cast<size_t>(size));
    if (message.size() > 2 && message[1] == ' ') message.remove_prefix(2);
    while (message.ends_with('\n')) message.remove_suffix(1);
    messages += (messages.empty() ? "" : "; ") + std::string(message);
  }
  std::string text = fmt::format("mount {}: {}", filesystem_, what);
  if (!messages.empty()) text += fmt::format(": kernel says \"{}\"", messages);
  return errnoError(err, text);
}

Result<Mount> Mount::create(const std::string& filesystem,
                            const std::vector<std::pair<std::string, std::string>>& options,
                            uint64_t attributes) {
  FsContext context = TRY(FsContext::open(filesystem));
  for (const auto& [key, value] : options) {
    TRY(value.empty() ? context.setFlag(key.c_str()) : context.setString(key.c_str(), value));
  }
  return context.mount(attributes);
}

Result<Mount> Mount::clone(int fd, bool recursive) {
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
  UniqueFd cloned(open_tree(fd, "", flags | (recursive ? static_cast<unsigned>(AT_RECURSIVE) : 0U)));
  if (!cloned) return sysError("clone a mount");
  return Mount(std::move(cloned));
}

Result<void> Mount::setAttributes(uint64_t set, uint64_t clear, bool recursive) const {
  mount_attr attr{};
  attr.attr_set = set;
  attr.attr_clr = clear;
  if (mount_setattr(fd_.get(), "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof attr) == 0)
    return {};
  return sysError("set mount attributes {:#x}, clear {:#x}", set, clear);
}

Result<void> Mount::setPropagation(uint64_t propagation, bool recursive) const {
  mount_attr attr{};
  attr.propagation = propagation;
  if (mount_setattr(fd_.get(), "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof attr) == 0)
    return {};
  return sysError("set mount propagation {:#x}", propagation);
}

Result<void> Mount::attach(int target) const {
  if (move_mount(fd_.get(), "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0)
    return {};
  return sysError("attach a mount");
}

}  // namespace keelson::kernel
