// A byte stream in whole lines.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace keelson::api::client {

// Collects pieces as they come and gives out what is complete. One stream, one splitter; no thread of its
// own.
class LineSplitter {
 public:
  explicit LineSplitter(size_t max_line) : max_line_(max_line) {}

  // Takes a piece. kResourceExhausted once a line is longer than the limit; the stream is of no use then.
  Result<void> add(std::string_view piece) {
    const size_t last = piece.rfind('\n');
    if (last == std::string_view::npos) {
      partial_.append(piece);
    } else {
      if (partial_.size() + piece.find('\n') > max_line_) return tooLong();
      ready_.append(partial_).append(piece.substr(0, last + 1));
      partial_.assign(piece.substr(last + 1));
    }
    return partial_.size() > max_line_ ? tooLong() : Result<void>();
  }

  // The whole lines since the last call, each with its "\n"; "" if there is none.
  std::string take() { return std::exchange(ready_, {}); }
  // What came after the last "\n".
  const std::string& partial() const { return partial_; }

 private:
  Error tooLong() const {
    return makeError(Code::kResourceExhausted, "a line is longer than {} bytes", max_line_);
  }
  size_t max_line_;
  std::string ready_, partial_;
};

// The first line of `text` without its end, taken off; blank lines are skipped. "" when nothing is left.
inline std::string_view takeLine(std::string_view& text) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") != std::string_view::npos) return line;
  }
  return {};
}

}  // namespace keelson::api::client
