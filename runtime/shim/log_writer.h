// The process that turns containers' pipes into log files.
#pragma once

#include <map>
#include <memory>

#include "runtime/plan.h"
#include "runtime/shim/cri_lines.h"
#include "runtime/shim/log_file.h"
#include "runtime/shim/log_protocol.h"
#include "runtime/shim/message.h"
#include "runtime/shim/poller.h"

namespace keelson::runtime::shim {

// Lives in a fork of the shim, so that disk I/O never delays an exit, a probe or an answer. Serves its
// streams in turn, one read each. When the shim closes its end it reads what is left, and ends.
class LogWriter {
 public:
  LogWriter(UniqueFd socket, LogLimits limits) : socket_(std::move(socket)), limits_(limits) {}
  // The process' whole life.
  [[noreturn]] void run();

 private:
  struct Stream {
    UniqueFd fd;
    Poller::Watch watch;
    LineSplitter splitter;
    LogStream kind = LogStream::kStdout;
  };
  struct Log {
    uint64_t slot = 0;
    std::optional<LogFile> file;  // absent: it could not be opened, lines are counted and dropped
    uint64_t dropped = 0;         // while there is no file
    bool tty = false;
    UniqueFd tty_slave;                            // while it is open, reading the master never fails
    std::vector<std::unique_ptr<Stream>> streams;  // those not at their end
    std::optional<SteadyTime> drain_deadline;
  };

  void onSocket();
  void obey(RawMessage raw);
  void add(const LogCommand& command, std::vector<UniqueFd> descriptors);
  void addStream(Log& log, UniqueFd fd, LogStream kind);
  // One read; false when there is nothing more for now or ever.
  bool pump(Log& log, Stream& stream);
  void emit(Log& log, Stream& stream, std::string_view data, bool at_end);
  void endStream(Log& log, Stream* stream);
  void startDrain(Log& log);
  void finishDrained(SteadyTime now);
  void answerDrained(Log& log);
  bool drained(const Log& log, SteadyTime now) const;
  std::optional<SteadyTime> nextDeadline() const;
  void releaseBuffers();

  UniqueFd socket_;
  LogLimits limits_;
  std::unique_ptr<Poller> poller_;
  Poller::Watch socket_watch_;
  std::map<uint64_t, std::unique_ptr<Log>> logs_;
  bool shim_gone_ = false;
  char* buffer_ = nullptr;  // pages given back after use
  bool buffers_used_ = false;
};

}  // namespace keelson::runtime::shim
