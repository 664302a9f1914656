#include "kubelet/termination_message.h"

#include <unistd.h>

#include <algorithm>
#include <deque>

#include "kubelet/text.h"

namespace keelson::kubelet {
namespace {

// Enough for kMaxMessageFromLogs of text in kMaxMessageLogLines short lines with their 45 bytes of prefix.
constexpr size_t kLogTailBytes = 32 << 10;

// The last `limit` bytes of a regular file.
Result<std::string> readTail(const UniqueFd& fd, size_t limit) {
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return sysError("stat");
  if (!S_ISREG(info.st_mode)) return makeError(Code::kInvalidArgument, "not a regular file");
  const auto size = static_cast<size_t>(info.st_size);
  const size_t from = size > limit ? size - limit : 0;
  std::string text(std::min(size, limit), '\0');
  size_t have = 0;
  while (have < text.size()) {
    const ssize_t got =
        ::pread(fd.get(), text.data() + have, text.size() - have, static_cast<off_t>(from + have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sysError("read");
    if (got == 0) break;
    have += static_cast<size_t>(got);
  }
  text.resize(have);
  return text;
}

Result<std::string> logTail(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) return sysError("open {}", path);
  return readTail(fd, kLogTailBytes);
}

}  // namespace

std::string messageFromLog(std::string_view log) {
  std::deque<std::string_view> lines;
  while (!log.empty()) {
    const size_t end = log.find('\n');
    const std::string_view line = log.substr(0, end);
    log.remove_prefix(end == std::string_view::npos ? log.size() : end + 1);
    // "<time> <stdout|stderr> <F|P> <text>"; the first line of a tail may be cut and is then skipped.
    const size_t stream = line.find(' ');
    const size_t tag = stream == std::string_view::npos ? stream : line.find(' ', stream + 1);
    const size_t text = tag == std::string_view::npos ? tag : line.find(' ', tag + 1);
    if (text == std::string_view::npos) continue;
    const std::string_view name = line.substr(stream + 1, tag - stream - 1);
    if (name != "stdout" && name != "stderr") continue;
    lines.push_back(line.substr(text + 1));
    if (lines.size() > kMaxMessageLogLines) lines.pop_front();
  }
  std::string message;
  for (const auto line : lines) {
    message += line;
    message += '\n';
  }
  if (message.size() > kMaxMessageFromLogs) message.erase(0, message.size() - kMaxMessageFromLogs);
  return cleanText(message, kMaxMessageFromLogs);
}

std::string readTerminationMessage(const TerminationSources& sources) {
  std::string message;
  auto file = sources.pod.openBeneath(sources.file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (file) {
    auto text = readTail(*file, kMaxTerminationMessage);
    if (!text) return "Error on reading termination log: " + text.error().text;
    message = cleanText(*text, kMaxTerminationMessage);
  } else if (file.error().code != Code::kNotFound) {
    return "Error on reading termination log: " + file.error().text;
  }
  if (!message.empty() || !sources.fall_back_to_logs) return message;
  const auto log = logTail(sources.log_file);
  if (!log) return "Error on reading termination message from logs: " + log.error().text;
  return messageFromLog(*log);
}

}  // namespace keelson::kubelet
