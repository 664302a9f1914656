#include "tests/unit/kernel/bpf_machine.h"

#include <linux/filter.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace keelson::test {

uint32_t runFilter(std::string_view program, const seccomp_data& call) {
  std::vector<sock_filter> code(program.size() / sizeof(sock_filter));
  std::memcpy(code.data(), program.data(), code.size() * sizeof(sock_filter));
  uint32_t a = 0, x = 0;
  uint32_t memory[BPF_MEMWORDS] = {};
  for (size_t pc = 0; pc < code.size(); ++pc) {
    const sock_filter& op = code[pc];
    switch (op.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (op.k + 4 > sizeof call) std::abort();
        std::memcpy(&a, reinterpret_cast<const char*>(&call) + op.k, 4);
        break;
      case BPF_LD | BPF_MEM:
        a = memory[op.k % BPF_MEMWORDS];
        break;
      case BPF_ST:
        memory[op.k % BPF_MEMWORDS] = a;
        break;
      case BPF_LD | BPF_IMM:
        a = op.k;
        break;
      case BPF_LDX | BPF_IMM:
        x = op.k;
        break;
      case BPF_MISC | BPF_TAX:
        x = a;
        break;
      case BPF_MISC | BPF_TXA:
        a = x;
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        a &= op.k;
        break;
      case BPF_JMP | BPF_JA:
        pc += op.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        pc += a == op.k ? op.jt : op.jf;
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        pc += a > op.k ? op.jt : op.jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        pc += a >= op.k ? op.jt : op.jf;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        pc += (a & op.k) != 0 ? op.jt : op.jf;
        break;
      case BPF_RET | BPF_K:
        return op.k;
      case BPF_RET | BPF_A:
        return a;
      default:
        fprintf(stderr, "instruction %zu: unknown code %#x\n", pc, op.code);
        std::abort();
    }
  }
  std::abort();  // ran off the end
}

seccomp_data makeCall(uint32_t architecture, int number, std::initializer_list<uint64_t> args) {
  seccomp_data call{};
  call.arch = architecture;
  call.nr = number;
  size_t i = 0;
  for (const uint64_t arg : args) call.args[i++] = arg;
  return call;
}

}  // namespace keelson::test
