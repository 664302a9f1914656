// The child's half of spawn(): what runs between clone3 and execveat, on memory shared with the parent.
#pragma once

#include <cstddef>
#include <cstdint>

namespace keelson::kernel {

// Where a child was when a system call failed; crosses to the parent as a number in SpawnWork.
enum class SpawnStage : int { kNone, kCgroup, kSession, kOomScore, kDescriptors, kRlimits, kSignals, kExec };

// Everything the child needs, prepared by the parent. The parent sleeps (CLONE_VFORK) while the child
// uses it, so plain fields do.
struct SpawnWork {
  const int* v1_cgroups = nullptr;
  int v1_cgroup_count = 0;
  bool new_session = false;
  char oom_score_adj[16] = {};
  size_t oom_score_adj_size = 0;
  const int* sources = nullptr;  // become 0, 1, 2, ...
  int* moved = nullptr;          // scratch of the same length
  int source_count = 0;
  int executable = -1;
  char* const* argv = nullptr;
  char* const* envp = nullptr;

  SpawnStage failed_stage = SpawnStage::kNone;  // written by the child
  int failed_errno = 0;
};

// Runs on the stack given to clone3. Async-signal-safe: raw system calls only. Never returns.
[[noreturn]] void runSpawnChild(SpawnWork* work);

struct CloneRequest {
  uint64_t flags = 0;
  uint64_t pidfd_address = 0;
  uint64_t exit_signal = 0;
  uint64_t stack = 0;  // lowest address
  uint64_t stack_size = 0;
  uint64_t cgroup = 0;  // CLONE_INTO_CGROUP
};

// clone3(2) whose child calls runSpawnChild(work) on its own stack; glibc has no wrapper that takes a
// stack. Returns the child's pid or -errno.
long cloneOntoStack(const CloneRequest& request, SpawnWork* work);

}  // namespace keelson::kernel
