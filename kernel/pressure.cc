#include "kernel/pressure.h"

#include <fcntl.h>

#include <cerrno>
#include <charconv>

#include "base/fs.h"
#include "kernel/cgroup_tree.h"

namespace keelson::kernel {
namespace {

constexpr size_t kFileLimit = 4096;

// The value of "key=" in a line of words; empty when it is not there.
std::string_view valueOf(std::string_view line, std::string_view key) {
  for (size_t at = line.find(key); at != std::string_view::npos; at = line.find(key, at + 1)) {
    const size_t end = at + key.size();
    if (at == 0 || line[at - 1] != ' ' || end >= line.size() || line[end] != '=') continue;
    const std::string_view rest = line.substr(end + 1);
    return rest.substr(0, rest.find(' '));
  }
  return {};
}

bool readPercent(std::string_view text, double& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

std::optional<PressureLine> parseLine(std::string_view line) {
  PressureLine out;
  const auto total = parseNumber(valueOf(line, "total"));
  if (!total || !readPercent(valueOf(line, "avg10"), out.avg10) ||
      !readPercent(valueOf(line, "avg60"), out.avg60) || !readPercent(valueOf(line, "avg300"), out.avg300)) {
    return std::nullopt;
  }
  out.total_us = *total;
  return out;
}

// A kernel without PSI has no file; one with psi=0 has it and answers EOPNOTSUPP.
Error pressureError(int err, const std::string& path) {
  Error error = errnoError(err, path);
  if (err == ENOENT || err == EOPNOTSUPP) error.code = Code::kUnsupported;
  return error;
}

}  // namespace

Result<Pressure> parsePressure(std::string_view text) {
  Pressure pressure;
  bool has_some = false;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const bool is_some = line.starts_with("some ");
    if (!is_some && !line.starts_with("full ")) continue;
    const auto parsed = parseLine(line);
    if (!parsed) return makeError(Code::kDataLoss, "pressure line \"{}\"", line);
    if (is_some) {
      pressure.some = *parsed;
      has_some = true;
    } else {
      pressure.full = *parsed;
    }
  }
  if (!has_some) return makeError(Code::kDataLoss, "pressure without a line \"some\"");
  return pressure;
}

Result<Pressure> readPressure(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return pressureError(errno, path);
  auto text = readFd(fd.get(), kFileLimit);
  if (!text) return pressureError(text.error().sys, path);
  return TRY_CTX(parsePressure(*text), "{}", path);
}

Result<UniqueFd> openPressureTrigger(const std::string& path, Stall kind, Duration stall, Duration window) {
  using std::chrono::duration_cast;
  using std::chrono::microseconds;
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return pressureError(errno, path);
  const std::string trigger =
      fmt::format("{} {} {}", kind == Stall::kSome ? "some" : "full",
                  duration_cast<microseconds>(stall).count(), duration_cast<microseconds>(window).count());
  // The final NUL belongs to it (psi.rst).
  const ssize_t written = ::write(fd.get(), trigger.c_str(), trigger.size() + 1);
  if (written < 0) return pressureError(errno, fmt::format("trigger \"{}\" on {}", trigger, path));
  return fd;
}

}  // namespace keelson::kernel
