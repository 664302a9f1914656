// What the daemon and a pod's shim say to each other.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "runtime/plan.h"

namespace keelson::runtime {

// Transport: SOCK_SEQPACKET at <run>/pods/<uid>/shim.sock (folder 0700, socket 0600). One message is a
// MessageHeader, then the fields of one struct below in the encoding of runtime/wire.h: at most 64 KiB
// and 32 descriptors. A body that users can grow comes as a sealed memfd instead: flag kBodyInMemfd, and the
// memfd is the first descriptor. The daemon asks, the shim answers each request once, with the same serial,
// in order; it never sends anything else. That something changed is told by the eventfd of Hello, which the
// kernel coalesces and which cannot block the shim (a message could). A second connection replaces the first.
// The first message both ways is Hello; a different `major` ends the connection.

inline constexpr uint32_t kProtocolMajor = 1;
inline constexpr uint32_t kProtocolMinor = 0;
inline constexpr size_t kMaxMessageBytes = 64 * 1024;
inline constexpr size_t kMaxMessageDescriptors = 32;
inline constexpr size_t kMaxMemfdBodyBytes = size_t{4} << 20;

enum class MessageKind : uint32_t {
  kHello = 1,            // fds: eventfd              -> kHello, fds: netns
  kGetState = 2,         //                           -> kState (always in a memfd)
  kPutDescriptors = 3,   // fds: 1..32 mounts         -> kOk; kept until a StartContainer takes or drops them
  kEnsureTmpfs = 4,      //                           -> kOk, fds: its directory
  kStartContainer = 5,   // fds: see StartContainer   -> kStarted or kFailed
  kStopContainer = 6,    //                           -> kOk
  kRemoveContainer = 7,  //                           -> kOk
  kExec = 8,             // fds: see Exec             -> kExecStarted or kFailed, fds: [pty master]
  kShutdown = 9,         //                           -> kOk, then the shim kills what runs and exits
  kResizeTty = 10,       //                           -> kOk
  kOk = 100,
  kFailed = 101,
  kState = 102,
  kStarted = 103,
  kExecStarted = 104,
};

struct MessageHeader {
  uint32_t kind = 0;
  uint32_t serial = 0;
  uint32_t flags = 0;  // kBodyInMemfd
  uint32_t reserved = 0;
};
inline constexpr uint32_t kBodyInMemfd = 1;

struct Hello {
  uint32_t major = kProtocolMajor;
  uint32_t minor = kProtocolMinor;
  std::string build;  // version text of the sender
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, major), codec(2, minor), codec(3, build);
  }
};

// The error of kFailed: the same Error again on the other side.
struct WireError {
  uint32_t code = 0;
  int32_t sys = 0;
  std::string text;
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, code), codec(2, sys), codec(3, text);
  }
};

inline WireError toWireError(const Error& error) {
  return {static_cast<uint32_t>(error.code), error.sys, error.text};
}
// A code that this build does not know becomes kInternal.
inline Error fromWireError(WireError error) {
  const bool known = error.code <= static_cast<uint32_t>(Code::kInternal);
  return {known ? static_cast<Code>(error.code) : Code::kInternal, error.sys, std::move(error.text)};
}

// How a shim is started (argv[0] "keelson-shim", no arguments): descriptors 3 memfd with the fields of
// SandboxPlan, 4 the listening SOCK_SEQPACKET socket, 5 the run folder, 6 the write end of the ready pipe.
// The shim writes one ShimReady (at most 4 KiB, so the write is whole) and closes the pipe. End-of-file
// without it: it died. When it is ready, <run>/pods/<uid>/shim.pid and the directory <run>/pods/<uid>/exits
// exist.
struct ShimReady {
  bool ok = false;
  WireError error;  // when not ok
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, ok), codec(2, error);
  }
};
inline constexpr int kShimPlanFd = 3;
inline constexpr int kShimListenFd = 4;
inline constexpr int kShimRunFolderFd = 5;
inline constexpr int kShimReadyFd = 6;

// <run>/pods/<uid>/shim.pid: one line "PID START_TICKS BOOT_ID\n": kernel::ProcessIdentity of the shim and
// SandboxPlan.boot_id. Written beside and renamed.
inline constexpr char kShimPidFile[] = "shim.pid";
inline constexpr char kExitsDirectory[] = "exits";  // one file a container, named by its id

// The helper "keelson-shim host-path": descriptor 3 is its end of a SOCK_SEQPACKET pair. It reads one
// message, the fields of HostPathWire without a header, answers with one message, the fields of
// HostPathAnswer with, when ok, the detached mount as the only descriptor, and exits.
struct HostPathWire {
  std::string path;  // as HostPathRequest (runtime/host_path.h)
  std::string type;
  std::string sub_path;
  bool recursive = true;
  Propagation propagation = Propagation::kPrivate;
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, path), codec(2, type), codec(3, sub_path), codec(4, recursive), codec(5, propagation);
  }
};
struct HostPathAnswer {
  bool ok = false;
  WireError error;  // when not ok
  bool is_directory = true;
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, ok), codec(2, error), codec(3, is_directory);
  }
};
inline constexpr char kHostPathCommand[] = "host-path";
inline constexpr int kHostPathFd = 3;

struct PutDescriptors {
  uint32_t first_token = 0;  // the descriptors get first_token, first_token + 1, ...
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, first_token);
  }
};

struct EnsureTmpfs {
  std::string name;
  int64_t size = 0;  // bytes; 0: half of memory, the kernel's default
  uint32_t mode = 0777;
  uint32_t gid = 0;
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, name), codec(2, size), codec(3, mode), codec(4, gid);
  }
};

// Descriptors, in this order (after the memfd): the root (a detached mount), the log directory, then
// the cgroup: the v2 directory if has_unified, then v1 directories for each name in v1_controllers.
struct StartContainer {
  ContainerPlan plan;
  bool has_unified = false;
  std::vector<std::string> v1_controllers;  // "memory", "cpu,cpuacct", ...: one a descriptor
  uint32_t first_token = 0;                 // the mounts' tokens, taken by this request even if it fails
  uint32_t token_count = 0;
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, plan), codec(2, has_unified), codec(3, v1_controllers), codec(4, first_token),
        codec(5, token_count);
  }
};

struct StopContainer {
  std::string id;
  int32_t signal = 15;       // 0: none now
  int64_t grace_ms = 30000;  // then SIGKILL of the cgroup; 0: at once. A later request may only shorten.
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, id), codec(2, signal), codec(3, grace_ms);
  }
};

struct ContainerRef {  // kRemoveContainer
  std::string id;
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, id);
  }
};

struct ResizeTty {
  std::string id;
  uint32_t width = 0, height = 0;  // characters
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, id), codec(2, width), codec(3, height);
  }
};

// Descriptors: result pipe (write end), cancel pipe (read end: end-of-file kills the command), then
// stdin, stdout, stderr unless process.tty.
struct Exec {
  std::string container_id;
  ProcessPlan process;
  int64_t timeout_ms = 0;  // 0: none; then the exec's cgroup is killed and the result says timed_out
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, container_id), codec(2, process), codec(3, timeout_ms);
  }
};

// Written once into the result pipe, as fields of runtime/wire.h, then the pipe is closed. End-of-file
// without it means that the shim died.
struct ExecOutcome {
  int32_t exit_code = 0;
  bool timed_out = false;
  std::string error;
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, exit_code), codec(2, timed_out), codec(3, error);
  }
};

// One container in State and, with the same encoding, in <run>/pods/<uid>/exits/<id> once it has
// ended: the record that outlives daemon and shim. Times are nanoseconds since the epoch.
struct ContainerRecord {
  std::string id;
  std::string name;
  uint32_t attempt = 0;
  bool running = false;
  int32_t pid = 0;
  int64_t started_at = 0;
  int64_t finished_at = 0;
  int32_t exit_code = 0;
  int32_t signal = 0;
  bool oom_killed = false;
  bool started = true;  // false: execve was never reached
  std::string error;
  uint64_t dropped_log_lines = 0;
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, id), codec(2, name), codec(3, attempt), codec(4, running), codec(5, pid), codec(6, started_at);
    codec(7, finished_at), codec(8, exit_code), codec(9, signal), codec(10, oom_killed), codec(11, started);
    codec(12, error), codec(13, dropped_log_lines);
  }
};

struct State {
  SandboxPlan sandbox;
  int32_t shim_pid = 0;
  int64_t created_at = 0;
  std::vector<ContainerRecord> containers;
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, sandbox), codec(2, shim_pid), codec(3, created_at), codec(4, containers);
  }
};

struct Started {
  ContainerRecord record;
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, record);
  }
};

}  // namespace keelson::runtime
