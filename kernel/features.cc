#include "kernel/features.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "base/unique_fd.h"

namespace keelson::kernel {
namespace {

std::atomic<const Features*> g_override{nullptr};

Features probe() {
  Features found;
  const UniqueFd root(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const UniqueFd overlay(fsopen("overlay", FSOPEN_CLOEXEC));
  if (!root || !overlay) return found;
  // Before 6.5 overlay took any option name and looked at it only when the file system was made; a name that
  // cannot exist tells the two apart.
  if (fsconfig(overlay.get(), FSCONFIG_SET_FLAG, "keelson-no-such-option", nullptr, 0) == 0) return found;
  found.overlay_append_layers = fsconfig(overlay.get(), FSCONFIG_SET_STRING, "lowerdir+", "/", 0) == 0;
  found.overlay_layers_by_fd = found.overlay_append_layers && fsconfig(overlay.get(), FSCONFIG_SET_FD,
                                                                       "lowerdir+", nullptr, root.get()) == 0;
  return found;
}

}  // namespace

const Features& features() {
  static const Features probed = probe();
  const Features* pretended = g_override.load();
  return pretended != nullptr ? *pretended : probed;
}

FeatureOverride::FeatureOverride(const Features& pretended)
    : pretended_(pretended), outer_(g_override.exchange(&pretended_)) {}
FeatureOverride::~FeatureOverride() { g_override.store(outer_); }

Result<void> checkKernelFloor() {
  constexpr uint64_t kNoDescriptor = 0x7ffffffe;
  std::string missing;
  const auto require = [&missing](bool present, const char* name) {
    if (!present) missing += (missing.empty() ? "" : ", ") + std::string(name);
  };
  // Each call is wrong on purpose: a kernel that knows it says EBADF or EINVAL, one that does not ENOSYS.
  require(mount_setattr(-1, "", 0, nullptr, 0) == 0 || errno != ENOSYS, "mount_setattr (5.12)");
  require(syscall(SYS_pidfd_send_signal, -1, 0, nullptr, 0) == 0 || errno != ENOSYS,
          "pidfd_send_signal (5.1)");
  require(close_range(1, 0, 0) == 0 || errno != ENOSYS, "close_range (5.9)");
  open_how how{};
  require(syscall(SYS_openat2, -1, "", &how, sizeof how) >= 0 || errno != ENOSYS, "openat2 (5.6)");
  clone_args args{};
  args.flags = CLONE_INTO_CGROUP;
  args.cgroup = kNoDescriptor;
  require(syscall(SYS_clone3, &args, sizeof args) < 0 && errno == EBADF,
          "clone3 with CLONE_INTO_CGROUP (5.7)");
  if (missing.empty()) return {};
  return makeError(Code::kUnsupported, "this kernel is too old (6.1 is the floor): no {}", missing);
}

}  // namespace keelson::kernel
