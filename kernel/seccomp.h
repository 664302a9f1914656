// Seccomp profiles compiled to BPF.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace keelson::kernel {

// The BPF program (an array of struct sock_filter as bytes) of the RuntimeDefault profile: Docker's and
// containerd's default for a process with `capabilities`. Compiled by libseccomp once for each set, then
// cached. Any thread.
Result<std::string> runtimeDefaultSeccomp(uint64_t capabilities);

// A Localhost profile: the JSON of an OCI runtime's linux.seccomp (Docker's profile format with
// includes/excludes by capability is accepted too). kInvalidArgument names the field.
// https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#seccomp
Result<std::string> compileSeccompProfile(std::string_view profile_json, uint64_t capabilities);

}  // namespace keelson::kernel
