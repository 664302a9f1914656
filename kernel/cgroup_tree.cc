#include "kernel/cgroup_tree.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace keelson::kernel {
namespace {

// ENOENT from a path, ENODEV from a descriptor whose cgroup is gone: both are kNotFound.
bool isGone(const Error& error) { return error.code == Code::kNotFound; }

Result<void> walkFrom(const DirFd& dir, size_t depth, size_t& budget,
                      const std::function<Result<void>(const DirFd&)>& visit) {
  if (depth == 0)
    return makeError(Code::kResourceExhausted, "cgroups nested deeper than {}", kMaxCgroupDepth);
  if (budget-- == 0)
    return makeError(Code::kResourceExhausted, "more than {} cgroups below", kMaxCgroupsBelow);
  auto visited = visit(dir);
  if (!visited && !isGone(visited.error())) return visited;
  auto children = dir.list();
  if (!children) return isGone(children.error()) ? Result<void>() : std::move(children).error();
  for (const DirEntry& child : children.value()) {
    if (child.type != DT_DIR) continue;
    auto below = dir.openDir(child.name);
    if (!below && isGone(below.error())) continue;
    if (!below) return std::move(below).error();
    TRY(walkFrom(below.value(), depth - 1, budget, visit));
  }
  return {};
}

}  // namespace

Result<void> writeControlFile(const DirFd& dir, const std::string& file, std::string_view value) {
  const UniqueFd fd = TRY_CTX(dir.openBeneath(file, O_WRONLY | O_TRUNC), "write {}", file);
  ssize_t written = -1;
  do {
    written = ::write(fd.get(), value.data(), value.size());
  } while (written < 0 && errno == EINTR);
  if (written < 0) return sysError("write \"{}\" to {}", value, file);
  if (static_cast<size_t>(written) != value.size()) {
    return makeError(Code::kInternal, "write \"{}\" to {}: only {} bytes taken", value, file, written);
  }
  return {};
}

Result<void> walkCgroups(const DirFd& top, const std::function<Result<void>(const DirFd&)>& visit) {
  size_t budget = kMaxCgroupsBelow;
  return walkFrom(top, kMaxCgroupDepth, budget, visit);
}

Result<std::vector<pid_t>> processesBelow(const DirFd& top) {
  std::vector<pid_t> pids;
  const auto collect = [&pids](const DirFd& dir) -> Result<void> {
    auto text = dir.readFile("cgroup.procs", kProcsFileLimit);
    // A threaded cgroup refuses; its processes are listed by the domain above it.
    if (!text && text.error().sys == EOPNOTSUPP) return {};
    if (!text) return std::move(text).error();
    std::string_view rest = text.value();
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (line.empty()) continue;
      if (pids.size() >= kMaxProcesses)
        return makeError(Code::kResourceExhausted, "more than {} processes", kMaxProcesses);
      pids.push_back(static_cast<pid_t>(TRY_CTX(parseNumber(line), "cgroup.procs")));
    }
    return {};
  };
  TRY(walkCgroups(top, collect));
  std::sort(pids.begin(), pids.end());
  pids.erase(std::unique(pids.begin(), pids.end()), pids.end());
  return pids;
}

Result<uint64_t> parseNumber(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  uint64_t number = 0;
  const auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (err != std::errc{} || end != text.data() + text.size()) {
    return makeError(Code::kDataLoss, "\"{}\" is not a number", text);
  }
  return number;
}

}  // namespace keelson::kernel
