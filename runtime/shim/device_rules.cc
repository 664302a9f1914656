#include "runtime/shim/device_rules.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "kernel/cgroup_tree.h"

namespace keelson::runtime::shim {
namespace {

constexpr uint32_t kMake = BPF_DEVCG_ACC_MKNOD;
constexpr uint32_t kUse = BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD;
constexpr size_t kMaxDeviceRules = 500;  // their program stays below the 4096 instructions of old kernels

// null zero full random urandom, tty, console, ptmx, the pseudo-terminals.
constexpr struct {
  uint32_t major;
  std::optional<uint32_t> minor;
} kAlways[] = {{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 1}, {5, 2}, {136, std::nullopt}};

bpf_insn instruction(int code, int destination, int source, int offset, uint32_t immediate) {
  bpf_insn insn{};
  insn.code = static_cast<uint8_t>(code);
  insn.dst_reg = static_cast<uint8_t>(destination & 0xf);
  insn.src_reg = static_cast<uint8_t>(source & 0xf);
  insn.off = static_cast<int16_t>(offset);
  insn.imm = static_cast<int32_t>(immediate);
  return insn;
}

constexpr int kR0 = 0, kContext = 1, kType = 2, kAccess = 3, kMajor = 4, kMinor = 5, kScratch = 6;

bpf_insn load(int to, int offset) { return instruction(BPF_LDX | BPF_W | BPF_MEM, to, kContext, offset, 0); }
bpf_insn answer(uint32_t allowed) { return instruction(BPF_ALU64 | BPF_MOV | BPF_K, kR0, 0, 0, allowed); }
bpf_insn leave() { return instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }

void appendRule(std::vector<bpf_insn>& program, const DeviceRule& rule) {
  const size_t begin = program.size();
  // Jumps to the next rule; where that is, is known at the end.
  const auto unless = [&](int reg, uint32_t value) {
    program.push_back(instruction(BPF_JMP32 | BPF_JNE | BPF_K, reg, 0, 0, value));
  };
  unless(kType, rule.block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
  program.push_back(instruction(BPF_ALU | BPF_MOV | BPF_X, kScratch, kAccess, 0, 0));
  program.push_back(instruction(BPF_ALU | BPF_AND | BPF_K, kScratch, 0, 0, ~rule.access));
  unless(kScratch, 0);
  if (rule.major) unless(kMajor, *rule.major);
  if (rule.minor) unless(kMinor, *rule.minor);
  program.push_back(answer(1));
  program.push_back(leave());
  for (size_t at = begin; at < program.size(); ++at)
    if (program[at].code == (BPF_JMP32 | BPF_JNE | BPF_K))
      program[at].off = static_cast<int16_t>(program.size() - at - 1);
}

Result<UniqueFd> loadProgram(const std::vector<bpf_insn>& program) {
  static constexpr char kLicense[] = "Apache-2.0";
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attributes.insns = reinterpret_cast<uint64_t>(program.data());
  attributes.insn_cnt = static_cast<uint32_t>(program.size());
  attributes.license = reinterpret_cast<uint64_t>(kLicense);
  UniqueFd fd(static_cast<int>(syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes)));
  if (!fd) return sysError("load device program");
  return fd;
}

Result<void> attachProgram(const DirFd& directory, const UniqueFd& program) {
  bpf_attr attributes{};
  attributes.target_fd = static_cast<uint32_t>(directory.get());
  attributes.attach_bpf_fd = static_cast<uint32_t>(program.get());
  attributes.attach_type = BPF_CGROUP_DEVICE;
  attributes.attach_flags = BPF_F_ALLOW_MULTI;  // all programs, also those of cgroups above, must allow
  if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attributes, sizeof attributes) < 0)
    return sysError("attach device program");
  return {};
}

}  // namespace

std::vector<DeviceRule> buildDeviceRules(const ContainerPlan& plan) {
  std::vector<DeviceRule> rules{{.block = false, .access = kMake}, {.block = true, .access = kMake}};
  for (const auto& device : kAlways) rules.push_back({false, device.major, device.minor, kUse});
  for (const DevicePlan& device : plan.devices)
    rules.push_back({device.block, device.major, device.minor, kUse});
  return rules;
}

std::string renderDeviceRule(const DeviceRule& rule) {
  std::string text = rule.block ? "b " : "c ";
  text += rule.major ? std::to_string(*rule.major) : "*";
  text += ":";
  text += rule.minor ? std::to_string(*rule.minor) : "*";
  text += " ";
  if ((rule.access & BPF_DEVCG_ACC_READ) != 0) text += "r";
  if ((rule.access & BPF_DEVCG_ACC_WRITE) != 0) text += "w";
  if ((rule.access & BPF_DEVCG_ACC_MKNOD) != 0) text += "m";
  return text;
}

std::vector<bpf_insn> buildDeviceProgram(const std::vector<DeviceRule>& rules) {
  // struct bpf_cgroup_dev_ctx: { u32 access << 16 | type; u32 major; u32 minor; }
  std::vector<bpf_insn> program{
      load(kType, 0),
      instruction(BPF_ALU | BPF_MOV | BPF_X, kAccess, kType, 0, 0),
      instruction(BPF_ALU | BPF_RSH | BPF_K, kAccess, 0, 0, 16),
      instruction(BPF_ALU | BPF_AND | BPF_K, kType, 0, 0, 0xffff),
      load(kMajor, 4),
      load(kMinor, 8),
  };
  for (const DeviceRule& rule : rules) appendRule(program, rule);
  program.push_back(answer(0));
  program.push_back(leave());
  return program;
}

Result<void> applyDeviceRules(const CgroupHandles& cgroup, const std::vector<DeviceRule>& rules) {
  if (rules.size() > kMaxDeviceRules)
    return makeError(Code::kResourceExhausted, "{} device rules, at most {}", rules.size(), kMaxDeviceRules);
  if (const DirFd* devices = cgroup.v1With("devices")) {
    TRY(kernel::writeControlFile(*devices, "devices.deny", "a"));
    for (const DeviceRule& rule : rules)
      TRY(kernel::writeControlFile(*devices, "devices.allow", renderDeviceRule(rule)));
    return {};
  }
  if (!cgroup.unified.valid()) return {};
  const UniqueFd program = TRY(loadProgram(buildDeviceProgram(rules)));
  return attachProgram(cgroup.unified, program);
}

}  // namespace keelson::runtime::shim
