// The channel between a container's init and the shim: what became of the steps.
#pragma once

#include <sys/types.h>

#include <optional>
#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"

namespace keelson::runtime::init {

// A SOCK_SEQPACKET pair, close-on-exec at the child's end. The child sends at most: one terminal (with
// the pty's master), one successor, one "about to exec", one error. End-of-file follows execve or death.

// Child's side: no allocation after a seccomp filter is in place, one write(2) each.
void sendInitError(int channel, const Error& error);
void sendAboutToExec(int channel);
Result<void> sendTerminal(int channel, int master);
// The process that goes on with the steps in the sender's place, by its number for the sender.
Result<void> sendSuccessor(int channel, pid_t pid);

// Shim's side: collects the messages without blocking.
class InitReport {
 public:
  InitReport() = default;
  // `sender` alone can name a successor: who is traced by a process of the container may say anything.
  InitReport(UniqueFd channel, pid_t sender) : channel_(std::move(channel)), sender_(sender) {}

  int fd() const { return channel_.get(); }
  // Reads what is there. True once end-of-file is reached: the outcome is final.
  bool advance();
  bool finished() const { return finished_; }
  // The pty's master, if one has arrived. Given once.
  UniqueFd takeTerminal() { return std::move(terminal_); }
  bool hasTerminal() const { return terminal_.valid(); }
  // The process that took over from the sender, 0 if there is none (yet). Given once.
  pid_t takeSuccessor() { return std::exchange(successor_, 0); }
  // The child said what went wrong.
  bool hasError() const { return error_.has_value(); }
  // Precondition: finished(). Ok: execve succeeded. kInternal when the child died before execve.
  Result<void> outcome() const;

 private:
  UniqueFd channel_;
  UniqueFd terminal_;
  pid_t sender_ = 0;
  pid_t successor_ = 0;
  bool finished_ = false;
  bool about_to_exec_ = false;
  std::optional<Error> error_;
};

}  // namespace keelson::runtime::init
