// The channel between a container's init and the shim: what became of the steps.
#pragma once

#include <optional>

#include "base/result.h"
#include "base/unique_fd.h"

namespace keelson::runtime::init {

// A SOCK_SEQPACKET pair, close-on-exec at the child's end. The child sends at most: one terminal (with
// the pty's master), one "about to exec", one error. End-of-file follows execve or death.

// Child's side: no allocation after a seccomp filter is in place, one write(2) each.
void sendInitError(int channel, const Error& error);
void sendAboutToExec(int channel);
Result<void> sendTerminal(int channel, int master);

// Shim's side: collects the messages without blocking.
class InitReport {
 public:
  InitReport() = default;
  explicit InitReport(UniqueFd channel) : channel_(std::move(channel)) {}

  int fd() const { return channel_.get(); }
  // Reads what is there. True once end-of-file is reached: the outcome is final.
  bool advance();
  bool finished() const { return finished_; }
  // The pty's master, if one has arrived. Given once.
  UniqueFd takeTerminal() { return std::move(terminal_); }
  bool hasTerminal() const { return terminal_.valid(); }
  // The child said what went wrong.
  bool hasError() const { return error_.has_value(); }
  // Precondition: finished(). Ok: execve succeeded. kInternal when the child died before execve.
  Result<void> outcome() const;

 private:
  UniqueFd channel_;
  UniqueFd terminal_;
  bool finished_ = false;
  bool about_to_exec_ = false;
  std::optional<Error> error_;
};

}  // namespace keelson::runtime::init
