// The plan message: everything the shim and the container init must know, and nothing else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace keelson::runtime {

// Encoded by runtime/wire.h: every field has a tag that is never reused; fields are only added, an
// unknown tag is skipped, so a shim of an earlier release works under a newer daemon. Each struct
// lists its fields once, in `fields`, for both directions.

struct NamespacesPlan {
  bool host_network = false;
  bool host_pid = false;
  bool host_ipc = false;
  bool share_pid = false;  // one pid namespace for the pod, the shim's child as its init

  template <class Codec>
  void fields(Codec& codec) {
    codec(1, host_network), codec(2, host_pid), codec(3, host_ipc), codec(4, share_pid);
  }
};

struct SysctlPlan {
  std::string name;  // with dots
  std::string value;
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, name), codec(2, value);
  }
};

// What the shim is started with: the pod's sandbox.
struct SandboxPlan {
  std::string uid;
  std::string pod_namespace;
  std::string pod_name;
  std::string hostname;
  uint32_t attempt = 0;  // of the sandbox
  NamespacesPlan namespaces;
  std::vector<SysctlPlan> sysctls;
  int64_t shm_size = 64 << 20;        // of the pod's /dev/shm, bytes
  int32_t shim_oom_score_adj = -998;  // best effort: lowering needs CAP_SYS_RESOURCE
  int64_t log_max_size = 10 << 20;    // bytes a log file may hold before the writer rotates it
  uint32_t log_max_files = 5;         // current one included, at least 2
  std::string boot_id;

  template <class Codec>
  void fields(Codec& codec) {
    codec(1, uid), codec(2, pod_namespace), codec(3, pod_name), codec(4, hostname), codec(5, attempt);
    codec(6, namespaces), codec(7, sysctls), codec(8, shm_size), codec(9, shim_oom_score_adj);
    codec(10, log_max_size), codec(11, log_max_files), codec(12, boot_id);
  }
};

enum class MountSource : uint8_t {
  kDescriptor = 0,  // a detached mount sent beforehand (PutDescriptors), taken by its token
  kPodTmpfs = 1,    // a tmpfs of the pod that lives in the shim's mount namespace, by name
};

enum class Propagation : uint8_t { kPrivate = 0, kSlave = 1, kShared = 2 };

// One mount into the container, applied in the order of the list.
struct MountPlan {
  std::string target;  // absolute, inside the container; missing parts are made beneath the root
  MountSource source = MountSource::kDescriptor;
  uint32_t token = 0;      // kDescriptor
  std::string tmpfs_name;  // kPodTmpfs
  std::string sub_path;    // kPodTmpfs: below it; for descriptors the daemon already resolved it
  bool is_directory = true;
  bool read_only = false;
  bool recursive_read_only = false;  // mount_setattr(AT_RECURSIVE)
  Propagation propagation = Propagation::kPrivate;

  template <class Codec>
  void fields(Codec& codec) {
    codec(1, target), codec(2, source), codec(3, token), codec(4, tmpfs_name), codec(5, sub_path);
    codec(6, is_directory), codec(7, read_only), codec(8, recursive_read_only), codec(9, propagation);
  }
};

struct RlimitPlan {
  int32_t resource = 0;  // RLIMIT_*
  uint64_t soft = 0;
  uint64_t hard = 0;
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, resource), codec(2, soft), codec(3, hard);
  }
};

struct DevicePlan {  // a node in the container's own /dev
  std::string path;
  bool block = false;
  uint32_t major = 0, minor = 0;
  uint32_t mode = 0666;
  uint32_t uid = 0, gid = 0;
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, path), codec(2, block), codec(3, major), codec(4, minor), codec(5, mode), codec(6, uid),
        codec(7, gid);
  }
};

// What a process becomes just before execve: shared by a container's first process and by exec.
struct ProcessPlan {
  std::vector<std::string> args;  // args[0] is looked up in PATH of `env` when it has no slash
  std::vector<std::string> env;   // "NAME=value"
  std::string cwd = "/";
  uint32_t uid = 0, gid = 0;
  std::vector<uint32_t> groups;
  uint64_t capabilities = 0;  // permitted, effective and bounding; bit n is capability n
  bool no_new_privileges = false;
  std::string seccomp_bpf;  // an array of struct sock_filter; empty: unconfined
  std::vector<RlimitPlan> rlimits;
  int32_t oom_score_adj = 0;
  bool tty = false;

  template <class Codec>
  void fields(Codec& codec) {
    codec(1, args), codec(2, env), codec(3, cwd), codec(4, uid), codec(5, gid), codec(6, groups);
    codec(7, capabilities), codec(8, no_new_privileges), codec(9, seccomp_bpf), codec(10, rlimits);
    codec(11, oom_score_adj), codec(12, tty);
  }
};

// One container, from its root to its first process.
struct ContainerPlan {
  std::string id;        // 64 hex
  std::string name;      // of the container in the pod
  uint32_t attempt = 0;  // restart count this instance stands for; names its log N.log
  ProcessPlan process;
  bool read_only_root = false;
  bool privileged = false;  // /proc and /sys writable, all of the host's /dev
  std::vector<MountPlan> mounts;
  std::vector<DevicePlan> devices;
  std::vector<std::string> masked_paths;
  std::vector<std::string> read_only_paths;
  bool has_stdin = false;
  bool stdin_once = false;
  std::string log_name;             // "0.log", made in the log directory sent along
  std::string target_container_id;  // ephemeral containers: join this one's pid namespace

  template <class Codec>
  void fields(Codec& codec) {
    codec(1, id), codec(2, name), codec(3, attempt), codec(4, process), codec(5, read_only_root);
    codec(6, privileged), codec(7, mounts), codec(8, devices), codec(9, masked_paths);
    codec(10, read_only_paths), codec(11, has_stdin), codec(12, stdin_once), codec(13, log_name);
    codec(14, target_container_id);
  }
};

}  // namespace keelson::runtime
