// A classic BPF machine for seccomp programs (the kernel's Documentation/networking/filter.rst).
#pragma once

#include <linux/seccomp.h>

#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace keelson::test {

// What `program` returns for one call: SECCOMP_RET_* with data. Aborts on an instruction that
// seccomp_check_filter would refuse.
uint32_t runFilter(std::string_view program, const seccomp_data& call);

// The call `number` on `architecture` (AUDIT_ARCH_*) with up to six arguments.
seccomp_data makeCall(uint32_t architecture, int number, std::initializer_list<uint64_t> args = {});

}  // namespace keelson::test
