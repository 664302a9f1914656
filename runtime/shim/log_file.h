// One container's log on disk, rotated by whoever writes it.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/fs.h"
#include "base/result.h"

namespace keelson::runtime::shim {

struct LogLimits {
  int64_t max_bytes = 10 << 20;
  size_t max_files = 5;  // the current one included
};

// "20261120-165148", the form of kubelet's rotated logs, in UTC.
std::string rotationStamp(WallTime time);

// Whole lines into N.log. Before a line that would take the file beyond its limit, N.log becomes
// N.log.STAMP (N.log.STAMP.000001 when several fall in one second: names sort by age) and a new N.log starts,
// so nothing is lost or split; the oldest beyond max_files are removed. What cannot be written (full disk,
// I/O error) is dropped and counted: a container never waits for its log. Owned by the log writer;
// single-threaded.
class LogFile {
 public:
  // Opens or makes `name` in `directory` and finds its rotated predecessors.
  static Result<LogFile> open(DirFd directory, std::string name, LogLimits limits);

  // Collects; flush() or a full buffer writes. `text` pieces make one line.
  void append(std::string_view prefix, std::string_view head, std::string_view tail, WallTime now);
  void flush();
  // Gives the (empty) buffer's memory back, for times without output.
  void releaseBuffer() { buffer_ = std::string(); }
  uint64_t droppedLines() const { return dropped_; }

 private:
  LogFile(DirFd directory, std::string name, LogLimits limits)
      : directory_(std::move(directory)), name_(std::move(name)), limits_(limits) {}
  Result<void> openCurrent();
  Result<void> findRotated();
  void rotate(WallTime now);
  Result<std::string> renameCurrent(WallTime now);
  void removeOldest();
  void dropUnwritten(std::string_view unwritten, bool torn);

  DirFd directory_;
  std::string name_;
  LogLimits limits_;
  UniqueFd file_;
  int64_t size_ = 0;  // on disk
  std::string buffer_;
  std::deque<std::string> rotated_;  // oldest first
  uint64_t dropped_ = 0;
};

}  // namespace keelson::runtime::shim
