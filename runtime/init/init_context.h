// What a container's init knows: filled by the shim before clone3, used by the steps in the child.
#pragma once

#include <sys/resource.h>

#include <string>
#include <vector>

#include "runtime/plan.h"

namespace keelson::runtime::init {

// Where the shim keeps what its containers share, in the root of its own mount namespace. The child's
// namespace starts as a copy, so it finds them under the same names until pivot_root.
inline constexpr char kContainerRoot[] = "/root";    // an empty directory: the container's root goes here
inline constexpr char kPodShm[] = "/shm";            // the pod's /dev/shm
inline constexpr char kPodTmpfsFolder[] = "/tmpfs";  // one directory a tmpfs volume
inline constexpr char kEmptyDirectory[] = "/empty";  // hides a masked directory
inline constexpr char kNullDevice[] = "/null";       // hides a masked file

// Descriptors are borrowed from the shim's copy of the table; the child closes all of them before execve.
// Lives in the child only, single-threaded.
struct InitContext {
  const ProcessPlan* process = nullptr;
  const ContainerPlan* container = nullptr;           // nullptr: exec into a running container
  int channel = -1;                                   // runtime/init/report.h
  int shim_pidfd = -1;                                // readable once the shim has died
  int proc = -1;                                      // the shim's private procfs
  int stdin_fd = -1, stdout_fd = -1, stderr_fd = -1;  // unused with a terminal

  rlimit files_limit{};  // RLIMIT_NOFILE where the plan has none; 0: as the shim's

  // Joined in this order; -1: already in it.
  std::vector<int> v1_cgroups;
  int exec_target = -1;  // pidfd of the container's first process: all of its namespaces
  int net = -1, ipc = -1, uts = -1;

  // A container's root and mounts.
  int root = -1;  // detached mount; attached by the first file system step and then the root directory
  uint32_t first_token = 0;
  std::vector<int> mounts;  // the descriptor of token first_token + index
  bool has_unified = false;
  std::vector<std::string> v1_controllers;  // "cpu,cpuacct": one string a hierarchy

  // Set by one step for later ones.
  int dev = -1;                                // the container's /dev
  int devpts = -1;                             // its /dev/pts
  const MountPlan* dev_replacement = nullptr;  // the volume that is /dev
  int terminal = -1;                           // the slave of the pseudo-terminal
  bool cwd_retry = false;                      // root may not enter the working directory, its user may
  std::string executable;                      // what is given to execve
};

}  // namespace keelson::runtime::init
