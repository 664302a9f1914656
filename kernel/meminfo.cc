#include "kernel/meminfo.h"

#include <algorithm>
#include <optional>
#include <string>

#include "base/fs.h"
#include "kernel/cgroup_tree.h"

namespace keelson::kernel {
namespace {

constexpr size_t kFileLimit = size_t{64} << 10;

// "   24684092 kB" of the line that starts with `key`; nullopt when there is none or it is no number.
std::optional<Bytes> kilobytes(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != ':') continue;
    line.remove_prefix(key.size() + 1);
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    const auto number = parseNumber(line.substr(0, line.find(' ')));
    if (!number || *number > (uint64_t{1} << 52)) return std::nullopt;
    return Bytes{static_cast<int64_t>(*number) * 1024};
  }
  return std::nullopt;
}

Result<uint64_t> readNumber(const std::string& path) {
  const std::string text = TRY(readFile(path, kFileLimit));
  return TRY_CTX(parseNumber(text), "{}", path);
}

}  // namespace

Result<Meminfo> parseMeminfo(std::string_view text) {
  const auto total = kilobytes(text, "MemTotal");
  const auto free = kilobytes(text, "MemFree");
  if (!total || !free) return makeError(Code::kDataLoss, "/proc/meminfo without MemTotal or MemFree");
  Meminfo info;
  info.total = *total;
  info.free = *free;
  info.available = kilobytes(text, "MemAvailable").value_or(Bytes{});
  info.inactive_file = kilobytes(text, "Inactive(file)").value_or(Bytes{});
  info.swap_total = kilobytes(text, "SwapTotal").value_or(Bytes{});
  info.swap_free = kilobytes(text, "SwapFree").value_or(Bytes{});
  return info;
}

Result<Meminfo> readMeminfo() {
  const std::string text = TRY(readFile("/proc/meminfo", kFileLimit));
  return parseMeminfo(text);
}

Result<uint64_t> parseTasks(std::string_view loadavg) {
  const size_t slash = loadavg.find('/');
  if (slash == std::string_view::npos) return makeError(Code::kDataLoss, "/proc/loadavg without a slash");
  const std::string_view rest = loadavg.substr(slash + 1);
  return TRY_CTX(parseNumber(rest.substr(0, rest.find(' '))), "/proc/loadavg");
}

Result<TaskCount> readTaskCount() {
  TaskCount count;
  count.max =
      std::min(TRY(readNumber("/proc/sys/kernel/pid_max")), TRY(readNumber("/proc/sys/kernel/threads-max")));
  const std::string loadavg = TRY(readFile("/proc/loadavg", kFileLimit));
  count.running = TRY(parseTasks(loadavg));
  return count;
}

}  // namespace keelson::kernel
