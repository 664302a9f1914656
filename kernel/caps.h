// Capabilities by name. capabilities(7).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace keelson::kernel {

// Bit n stands for capability n. With or without "CAP_", any case; "ALL" is allCapabilities().
// kInvalidArgument for an unknown name.
Result<uint64_t> capabilityBits(std::string_view name);
std::vector<std::string> capabilityNames(uint64_t bits);  // "CAP_CHOWN", ...
// Those this kernel has that this process may give: permitted and in the bounding set. Read once.
uint64_t allCapabilities();

// The set of Docker and containerd (BEHAVIOUR.md CRT-01): CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW
// SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE.
inline constexpr uint64_t kDefaultCapabilities = 1ull << 0 | 1ull << 1 | 1ull << 3 | 1ull << 4 | 1ull << 5 |
                                                 1ull << 6 | 1ull << 7 | 1ull << 8 | 1ull << 10 | 1ull << 13 |
                                                 1ull << 18 | 1ull << 27 | 1ull << 29 | 1ull << 31;

}  // namespace keelson::kernel
