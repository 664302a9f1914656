#include "runtime/shim/log_file.h"

#include <stdio.h>

#include <algorithm>
#include <cstdlib>

namespace keelson::runtime::shim {
namespace {

constexpr size_t kBufferBytes = 128 * 1024;
constexpr size_t kSmallBuffer = 4096;
constexpr int kMaxInOneSecond = 999'999;
constexpr mode_t kLogMode = 0640;  // as kubelet's and containerd's

// Digits, '-' and '.' after "N.log.": a rotated log and not a foreign file.
bool isStamp(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return (c >= '0' && c <= '9') || c == '-' || c == '.'; });
}

}  // namespace

std::string rotationStamp(WallTime time) {
  // "2026-11-20T16:51:48.…"
  const std::string text = formatTimeNano(time);
  std::string stamp;
  for (const char c : text.substr(0, 19)) {
    if (c == 'T') stamp += '-';
    if (c >= '0' && c <= '9') stamp += c;
  }
  return stamp;
}

Result<LogFile> LogFile::open(DirFd directory, std::string name, LogLimits limits) {
  limits.max_files = std::max<size_t>(limits.max_files, 2);
  LogFile log(std::move(directory), std::move(name), limits);
  TRY(log.openCurrent());
  TRY(log.findRotated());
  return log;
}

Result<void> LogFile::openCurrent() {
  UniqueFd file(openat(directory_.get(), name_.c_str(),
                       O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, kLogMode));
  if (!file) return sysError("open {}", name_);
  struct stat status {};
  if (fstat(file.get(), &status) < 0) return sysError("stat {}", name_);
  if (!S_ISREG(status.st_mode)) return makeError(Code::kInvalidArgument, "{} is not a regular file", name_);
  file_ = std::move(file);
  size_ = status.st_size;
  return {};
}

Result<void> LogFile::findRotated() {
  for (DirEntry& entry : TRY(directory_.list())) {
    const std::string_view found = entry.name;
    if (found.starts_with(name_ + ".") && isStamp(found.substr(name_.size() + 1)))
      rotated_.push_back(std::move(entry.name));
  }
  return {};
}

void LogFile::append(std::string_view prefix, std::string_view head, std::string_view tail, WallTime now) {
  const size_t length = prefix.size() + head.size() + tail.size() + 1;
  const int64_t reach = size_ + static_cast<int64_t>(buffer_.size());
  if (reach > 0 && reach + static_cast<int64_t>(length) > limits_.max_bytes) {
    flush();
    rotate(now);
  }
  if (buffer_.size() + length > kBufferBytes) flush();
  if (buffer_.size() + length > kSmallBuffer) buffer_.reserve(kBufferBytes);
  buffer_.append(prefix).append(head).append(tail).push_back('\n');
}

void LogFile::flush() {
  std::string_view left = buffer_;
  while (!left.empty()) {
    const ssize_t put = write(file_.get(), left.data(), left.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      dropUnwritten(left, left.size() < buffer_.size());
      break;
    }
    size_ += put;
    left.remove_prefix(static_cast<size_t>(put));
  }
  buffer_.clear();
}

// Cuts a line that was written in part off again, so that the file holds whole lines only.
void LogFile::dropUnwritten(std::string_view unwritten, bool torn) {
  dropped_ += static_cast<uint64_t>(std::count(unwritten.begin(), unwritten.end(), '\n'));
  if (!torn) return;
  const size_t written = buffer_.size() - unwritten.size();
  const size_t whole = buffer_.rfind('\n', written - 1);
  const size_t keep = whole == std::string::npos ? 0 : whole + 1;
  const int64_t end = size_ - static_cast<int64_t>(written - keep);
  if (ftruncate(file_.get(), end) == 0) size_ = end;
}

Result<std::string> LogFile::renameCurrent(WallTime now) {
  const std::string base = name_ + "." + rotationStamp(now);
  // Numbers go on from the last rotation of this second instead of trying each name again.
  int number = 0;
  if (!rotated_.empty() && rotated_.back().starts_with(base))
    number =
        rotated_.back().size() == base.size() ? 1 : std::atoi(rotated_.back().c_str() + base.size() + 1) + 1;
  for (; number <= kMaxInOneSecond; ++number) {
    const std::string name = number == 0 ? base : fmt::format("{}.{:06}", base, number);
    if (renameat2(directory_.get(), name_.c_str(), directory_.get(), name.c_str(), RENAME_NOREPLACE) == 0)
      return name;
    if (errno != EEXIST) return sysError("rename {}", name_);
  }
  return makeError(Code::kResourceExhausted, "no name left for {}", base);
}

void LogFile::rotate(WallTime now) {
  // Any failure leaves the current file in use, beyond its limit: better than losing lines.
  auto name = renameCurrent(now);
  if (!name) return;
  if (!openCurrent()) {
    renameat2(directory_.get(), name->c_str(), directory_.get(), name_.c_str(), RENAME_NOREPLACE);
    return;
  }
  rotated_.push_back(std::move(name).value());
  removeOldest();
}

void LogFile::removeOldest() {
  while (rotated_.size() + 1 > limits_.max_files) {
    if (!directory_.removeFile(rotated_.front())) return;
    rotated_.pop_front();
  }
}

}  // namespace keelson::runtime::shim
