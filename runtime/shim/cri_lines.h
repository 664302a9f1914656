// Bytes of a container's output to lines of the CRI log format.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace keelson::runtime::shim {

// Longer lines are split: as containerd's max_container_log_line_size.
inline constexpr size_t kMaxLineBytes = 16 * 1024;

enum class LogStream { kStdout, kStderr };

// "2026-11-20T16:51:48.123456789Z stdout F ", what stands before the text; P with `partial`.
// https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md
std::string criPrefix(WallTime time, LogStream stream, bool partial);

// Cuts one stream into lines. A line that is longer than kMaxLineBytes comes out in pieces, all but the last
// one partial; so does what is left without a newline at the end (as in containerd: readers then add no
// newline that the container did not write). Holds at most kMaxLineBytes.
class LineSplitter {
 public:
  // `emit(head, tail, partial)` is called for each line, its text being head + tail, without the newline;
  // both views die with the call.
  template <class Emit>
  void feed(std::string_view data, Emit&& emit) {
    while (!data.empty()) {
      const size_t room = kMaxLineBytes - held_.size();
      // One byte more than fits: a newline right after a full line still ends that line.
      const size_t newline = data.substr(0, room + 1).find('\n');
      if (newline == std::string_view::npos && data.size() <= room) {
        held_.append(data);
        return;
      }
      const bool partial = newline == std::string_view::npos;
      const size_t length = partial ? room : newline;
      emit(std::string_view(held_), data.substr(0, length), partial);
      held_.clear();
      data.remove_prefix(partial ? length : length + 1);
    }
    // A quiet container keeps no buffer.
    if (held_.empty() && held_.capacity() > kKeptCapacity) held_ = std::string();
  }

  // The end of the stream: what is still held, as a partial line.
  template <class Emit>
  void finish(Emit&& emit) {
    if (!held_.empty()) emit(std::string_view(held_), std::string_view(), true);
    held_ = std::string();
  }

 private:
  static constexpr size_t kKeptCapacity = 256;
  std::string held_;
};

}  // namespace keelson::runtime::shim
