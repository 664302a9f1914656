// A process by identity, not by number.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace keelson::kernel {

// What is written to disk about a process: pids are reborn, a pid with its start time is not.
struct ProcessIdentity {
  pid_t pid = 0;
  uint64_t start_ticks = 0;  // field 22 of /proc/PID/stat (proc(5)), clock ticks since boot
  bool operator==(const ProcessIdentity&) const = default;
};

// pidfd_open(2). Any thread.
class Pidfd {
 public:
  Pidfd() = default;
  explicit Pidfd(UniqueFd fd) : fd_(std::move(fd)) {}
  static Result<Pidfd> open(pid_t pid);
  // Only if `identity` still is that process; kNotFound otherwise.
  static Result<Pidfd> open(const ProcessIdentity& identity);

  int get() const { return fd_.get(); }
  bool valid() const { return fd_.valid(); }
  // pidfd_send_signal(2); a process that has ended is fine.
  Result<void> signal(int signo) const;
  // poll(2) until it has ended. kDeadlineExceeded.
  Result<void> waitEnd(Duration timeout) const;
  bool hasEnded() const;

 private:
  UniqueFd fd_;
};

// kNotFound when there is no such process. One that has ended but is not reaped still has an identity.
Result<ProcessIdentity> identify(pid_t pid);

// Field 22 of the text of /proc/PID/stat; kDataLoss when it is not that format.
Result<uint64_t> parseStartTicks(std::string_view stat);

}  // namespace keelson::kernel
