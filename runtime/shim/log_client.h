// The shim's side of its log writer.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>

#include "base/fs.h"
#include "base/result.h"
#include "runtime/shim/log_file.h"
#include "runtime/shim/log_protocol.h"
#include "runtime/shim/poller.h"

namespace keelson::runtime::shim {

// What a container writes and where it goes. With a terminal `out` is the pty's master and `err` absent.
struct LogSource {
  DirFd directory;
  std::string log_name;
  UniqueFd out, err;
  bool tty = false;
};

// Starts the writer, hands it streams, and starts a new one when it dies: the shim keeps the read ends, so
// containers notice nothing, and only what the dead writer had read and not written is lost. Never waits for
// it. Owned by Shim.
class LogClient {
 public:
  using Drained = std::function<void(uint64_t dropped_lines)>;

  LogClient(Poller& poller, LogLimits limits) : poller_(poller), limits_(limits) {}
  Result<void> start();

  // Returns the slot by which the source is known.
  uint64_t add(LogSource source);
  // The container has ended: `done` is called once all it wrote is in the log, or after kDrainPatience.
  void drain(uint64_t slot, Drained done);

  // True if `pid` was the writer; a new one starts, at once or after kRestartPause.
  bool onExit(pid_t pid);
  std::optional<SteadyTime> nextDeadline() const;
  void onTime(SteadyTime now);
  // Lets the writer finish and waits for its end, at most `patience`.
  void stop(Duration patience);

 private:
  struct Entry {
    LogSource source;
    bool added = false;  // the present writer knows it
    bool drain_sent = false;
    bool failed = false;  // the present writer cannot be told of it
    Drained done;         // set: draining
    SteadyTime deadline;  // of the drain
  };

  Result<void> startWriter();
  void onSocket(uint32_t events);
  // Tells the writer what it does not know yet, as far as the socket takes it.
  void sync();
  bool sendAdd(uint64_t slot, Entry& entry);
  // False: the socket is full. Any other failure marks the entry.
  bool send(Entry& entry, const LogCommand& command, const std::vector<int>& descriptors, bool& sent);
  void finish(uint64_t slot, uint64_t dropped_lines);

  Poller& poller_;
  LogLimits limits_;
  pid_t writer_ = -1;
  UniqueFd socket_;
  Poller::Watch watch_;
  SteadyTime started_;
  std::optional<SteadyTime> restart_at_;
  uint64_t next_slot_ = 1;
  std::map<uint64_t, Entry> entries_;
};

}  // namespace keelson::runtime::shim
