// A seccomp profile as a value, between its source (JSON or the built-in default) and libseccomp.
#pragma once

#include <seccomp.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace keelson::kernel {

// One condition on one argument; the numbers are libseccomp's.
struct SeccompCondition {
  uint32_t index = 0;  // 0..5
  scmp_compare op = SCMP_CMP_EQ;
  uint64_t value = 0;      // SCMP_CMP_MASKED_EQ: the mask
  uint64_t value_two = 0;  // SCMP_CMP_MASKED_EQ: what the masked argument must be
};

struct SeccompRule {
  std::vector<std::string> names;
  uint32_t action = SCMP_ACT_ALLOW;
  std::vector<SeccompCondition> conditions;  // all must hold; several on one index: any of them
};

// What is left of a profile once capabilities, architecture and kernel version have chosen its rules.
struct SeccompProfile {
  uint32_t default_action = SCMP_ACT_ERRNO(1);
  std::vector<uint32_t> architectures;  // SCMP_ARCH_*; the native one is always in
  std::vector<SeccompRule> rules;
};

// The machine's architecture and those whose programs it also runs, as Docker lists them.
std::vector<uint32_t> nativeSeccompArchitectures();

// RuntimeDefault for a process with `capabilities`.
SeccompProfile defaultSeccompProfile(uint64_t capabilities);
uint64_t seccompCapabilities();  // those that change it

// JSON of an OCI runtime (linux.seccomp) or Docker; kInvalidArgument names the field.
Result<SeccompProfile> decodeSeccompProfile(std::string_view profile_json, uint64_t capabilities);

// struct sock_filter as bytes. Unknown system call names are skipped, as runc does. A call newer than
// every one the profile names gets ENOSYS instead of a default EPERM, so that programs fall back:
// https://github.com/opencontainers/runc/blob/main/libcontainer/seccomp/patchbpf/enosys_linux.go
Result<std::string> compileSeccomp(const SeccompProfile& profile);

}  // namespace keelson::kernel
