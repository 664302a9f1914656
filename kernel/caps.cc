#include "kernel/caps.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace keelson::kernel {
namespace {

// By number; capabilities(7).
constexpr std::array<std::string_view, 41> kNames = {"CHOWN",
                                                     "DAC_OVERRIDE",
                                                     "DAC_READ_SEARCH",
                                                     "FOWNER",
                                                     "FSETID",
                                                     "KILL",
                                                     "SETGID",
                                                     "SETUID",
                                                     "SETPCAP",
                                                     "LINUX_IMMUTABLE",
                                                     "NET_BIND_SERVICE",
                                                     "NET_BROADCAST",
                                                     "NET_ADMIN",
                                                     "NET_RAW",
                                                     "IPC_LOCK",
                                                     "IPC_OWNER",
                                                     "SYS_MODULE",
                                                     "SYS_RAWIO",
                                                     "SYS_CHROOT",
                                                     "SYS_PTRACE",
                                                     "SYS_PACCT",
                                                     "SYS_ADMIN",
                                                     "SYS_BOOT",
                                                     "SYS_NICE",
                                                     "SYS_RESOURCE",
                                                     "SYS_TIME",
                                                     "SYS_TTY_CONFIG",
                                                     "MKNOD",
                                                     "LEASE",
                                                     "AUDIT_WRITE",
                                                     "AUDIT_CONTROL",
                                                     "SETFCAP",
                                                     "MAC_OVERRIDE",
                                                     "MAC_ADMIN",
                                                     "SYSLOG",
                                                     "WAKE_ALARM",
                                                     "BLOCK_SUSPEND",
                                                     "AUDIT_READ",
                                                     "PERFMON",
                                                     "BPF",
                                                     "CHECKPOINT_RESTORE"};

uint64_t readHeldCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return 0;
  const uint64_t permitted = uint64_t{data[1].permitted} << 32 | data[0].permitted;
  uint64_t held = 0;
  for (unsigned bit = 0; bit < 64; ++bit) {
    // EINVAL beyond /proc/sys/kernel/cap_last_cap ends the list, with or without a /proc to read.
    const int bounding = prctl(PR_CAPBSET_READ, bit, 0, 0, 0);
    if (bounding < 0) break;
    if (bounding == 1) held |= permitted & 1ull << bit;
  }
  return held;
}

}  // namespace

Result<uint64_t> capabilityBits(std::string_view name) {
  std::string upper(name);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  std::string_view bare = upper;
  if (bare.starts_with("CAP_")) bare.remove_prefix(4);
  if (bare == "ALL") return allCapabilities();
  const auto found = std::find(kNames.begin(), kNames.end(), bare);
  if (found == kNames.end()) return makeError(Code::kInvalidArgument, "unknown capability \"{}\"", name);
  return 1ull << (found - kNames.begin());
}

std::vector<std::string> capabilityNames(uint64_t bits) {
  std::vector<std::string> names;
  for (size_t bit = 0; bit < 64; ++bit) {
    if ((bits & 1ull << bit) == 0) continue;
    names.push_back(bit < kNames.size() ? "CAP_" + std::string(kNames[bit]) : fmt::format("CAP_{}", bit));
  }
  return names;
}

uint64_t allCapabilities() {
  static const uint64_t held = readHeldCapabilities();
  return held;
}

}  // namespace keelson::kernel
