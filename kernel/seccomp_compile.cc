#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <map>
#include <memory>

#include "base/fs.h"
#include "kernel/seccomp_profile.h"

namespace keelson::kernel {
namespace {

constexpr size_t kMaxBpfBytes = BPF_MAXINSNS * sizeof(sock_filter);
constexpr uint32_t kX32Bit = 0x40000000;  // __X32_SYSCALL_BIT
constexpr uint32_t kNoLast = 0xffffffff;

struct FilterDeleter {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, FilterDeleter>;

Error libseccompError(int result, std::string_view what) { return errnoError(-result, what); }

Result<void> addConditions(scmp_filter_ctx filter, const SeccompRule& rule, int number,
                           const std::vector<SeccompCondition>& conditions) {
  std::vector<scmp_arg_cmp> compares;
  for (const SeccompCondition& condition : conditions) {
    compares.push_back({condition.index, condition.op, condition.value, condition.value_two});
  }
  const int result = seccomp_rule_add_array(filter, rule.action, number,
                                            static_cast<unsigned>(compares.size()), compares.data());
  // EEXIST: an earlier rule says something else for the same call; the first one stands.
  if (result == 0 || result == -EEXIST) return {};
  return libseccompError(result, "add rule");
}

Result<void> addCall(scmp_filter_ctx filter, const SeccompRule& rule, const std::string& name) {
  const int number = seccomp_syscall_resolve_name(name.c_str());
  if (number == __NR_SCMP_ERROR) return {};
  // libseccomp takes one condition an argument; several on one argument are alternatives, as in runc.
  uint32_t seen = 0;
  bool repeated = false;
  for (const SeccompCondition& condition : rule.conditions) {
    repeated = repeated || (seen & 1U << condition.index) != 0;
    seen |= 1U << condition.index;
  }
  if (!repeated) return addConditions(filter, rule, number, rule.conditions);
  for (const SeccompCondition& condition : rule.conditions)
    TRY(addConditions(filter, rule, number, {condition}));
  return {};
}

// For one AUDIT_ARCH_*: the highest number named below the x32 bit, and above it.
struct LastCalls {
  uint32_t low = kNoLast;
  uint32_t high = kNoLast;
};

std::map<uint32_t, LastCalls> lastCalls(const SeccompProfile& profile) {
  std::map<uint32_t, LastCalls> last;
  std::vector<uint32_t> architectures = profile.architectures;
  architectures.push_back(seccomp_arch_native());
  for (const uint32_t architecture : architectures) {
    int highest = -1;
    for (const SeccompRule& rule : profile.rules) {
      for (const std::string& name : rule.names) {
        highest = std::max(highest, seccomp_syscall_resolve_name_arch(architecture, name.c_str()));
      }
    }
    if (highest < 0) continue;
    const auto number = static_cast<uint32_t>(highest);
    if (architecture == SCMP_ARCH_X32) {
      last[AUDIT_ARCH_X86_64].high = number;
    } else if (architecture == SCMP_ARCH_X86_64) {
      last[architecture].low = number;
    } else {
      last[architecture] = {number, number};
    }
  }
  return last;
}

// In front of libseccomp's program, for each architecture, jumps in brackets:
//   A = arch;  A == ARCH?  no [next block]
//   A = nr;    A >= x32 bit?  A > high?  A > low?  yes [ret ENOSYS]  no [libseccomp's program]
std::vector<sock_filter> enosysPrefix(const SeccompProfile& profile) {
  const std::map<uint32_t, LastCalls> last = lastCalls(profile);
  constexpr uint32_t kBlock = 7;
  std::vector<sock_filter> code;
  code.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)));
  auto blocks_left = static_cast<uint32_t>(last.size());
  for (const auto& [architecture, calls] : last) {
    --blocks_left;
    const sock_filter block[kBlock] = {
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, architecture, 0, kBlock - 1),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32Bit, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, calls.low, 2, 1),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, calls.high, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JA, 1 + blocks_left * kBlock, 0, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    };
    code.insert(code.end(), block, block + kBlock);
  }
  return code;
}

// Only where the default would be a refusal other than ENOSYS.
bool wantsEnosys(uint32_t action) {
  if (action == SCMP_ACT_ALLOW || action == SCMP_ACT_LOG ||
      (action & SECCOMP_RET_ACTION_FULL) == SCMP_ACT_TRACE(0)) {
    return false;
  }
  return action != SCMP_ACT_ERRNO(ENOSYS);
}

Result<std::string> exportBpf(scmp_filter_ctx filter) {
  const UniqueFd memfd(memfd_create("seccomp", MFD_CLOEXEC));
  if (!memfd) return sysError("memfd for a seccomp program");
  const int result = seccomp_export_bpf(filter, memfd.get());
  if (result != 0) return libseccompError(result, "seccomp_export_bpf");
  if (lseek(memfd.get(), 0, SEEK_SET) != 0) return sysError("read a seccomp program");
  return readFd(memfd.get(), kMaxBpfBytes);
}

}  // namespace

Result<std::string> compileSeccomp(const SeccompProfile& profile) {
  const Filter filter(seccomp_init(profile.default_action));
  if (!filter)
    return makeError(Code::kInvalidArgument, "seccomp: default action {:#x} refused", profile.default_action);
  for (const uint32_t architecture : profile.architectures) {
    const int result = seccomp_arch_add(filter.get(), architecture);
    if (result != 0 && result != -EEXIST) {
      return libseccompError(result, fmt::format("seccomp: architecture {:#x}", architecture));
    }
  }
  // A binary tree over the numbers instead of one comparison after the other (libseccomp 2.5).
  const int optimized = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  if (optimized != 0) return libseccompError(optimized, "seccomp: optimize");
  for (const SeccompRule& rule : profile.rules) {
    if (rule.action == profile.default_action) continue;
    for (const std::string& name : rule.names)
      TRY_CTX(addCall(filter.get(), rule, name), "seccomp: {}", name);
  }
  std::string program;
  if (wantsEnosys(profile.default_action)) {
    const std::vector<sock_filter> prefix = enosysPrefix(profile);
    program.assign(reinterpret_cast<const char*>(prefix.data()), prefix.size() * sizeof(sock_filter));
  }
  program += TRY_CTX(exportBpf(filter.get()), "seccomp");
  if (program.size() > kMaxBpfBytes) {
    return makeError(Code::kResourceExhausted, "seccomp: a program of {} instructions, the kernel takes {}",
                     program.size() / sizeof(sock_filter), BPF_MAXINSNS);
  }
  return program;
}

}  // namespace keelson::kernel
