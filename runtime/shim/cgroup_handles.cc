#include "runtime/shim/cgroup_handles.h"

#include <algorithm>
#include <charconv>
#include <csignal>

#include "kernel/cgroup_tree.h"
#include "kernel/pidfd.h"

namespace keelson::runtime::shim {
namespace {

constexpr size_t kEventsLimit = 4096;
constexpr int kKillRounds = 16;  // each sees only what was forked during the one before

bool hasController(std::string_view list, std::string_view wanted) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (list.substr(0, comma) == wanted) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

// The number after "oom_kill " at the start of a line: the same in memory.events and memory.oom_control.
uint64_t parseOomKills(std::string_view text) {
  constexpr std::string_view kKey = "oom_kill ";
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.starts_with(kKey)) continue;
    uint64_t value = 0;
    std::from_chars(line.data() + kKey.size(), line.data() + line.size(), value);
    return value;
  }
  return 0;
}

// Without cgroup.kill: by number, through a pidfd. Returns how many were there.
Result<size_t> killOnce(const DirFd& directory) {
  const std::vector<pid_t> pids = TRY(kernel::processesBelow(directory));
  for (const pid_t pid : pids) {
    auto process = kernel::Pidfd::open(pid);
    if (process) TRY(process->signal(SIGKILL));
  }
  return pids.size();
}

}  // namespace

Result<void> killUnified(const DirFd& directory) {
  return kernel::writeControlFile(directory, "cgroup.kill", "1");
}

const DirFd* CgroupHandles::v1With(std::string_view controller) const {
  for (size_t i = 0; i < v1.size() && i < v1_controllers.size(); ++i)
    if (hasController(v1_controllers[i], controller)) return &v1[i];
  return nullptr;
}

std::vector<int> CgroupHandles::v1Descriptors() const {
  std::vector<int> descriptors;
  for (const DirFd& directory : v1) descriptors.push_back(directory.get());
  return descriptors;
}

Result<void> CgroupHandles::kill() const {
  if (unified.valid()) return killUnified(unified);
  if (v1.empty()) return {};
  const DirFd* freezer = v1With("freezer");
  if (freezer == nullptr) {
    for (int round = 0; round < kKillRounds; ++round)
      if (TRY(killOnce(v1.front())) == 0) break;
    return {};
  }
  // Frozen, nothing forks: one round meets all. The kill takes effect with the thaw.
  TRY(kernel::writeControlFile(*freezer, "freezer.state", "FROZEN"));
  auto killed = killOnce(*freezer);
  TRY(kernel::writeControlFile(*freezer, "freezer.state", "THAWED"));
  if (!killed) return std::move(killed).error();
  return {};
}

uint64_t CgroupHandles::oomKills() const {
  const DirFd* memory = v1With("memory");
  const bool on_v2 = memory == nullptr && unified.valid();
  if (memory == nullptr && !on_v2) return 0;
  auto text = on_v2 ? unified.readFile("memory.events", kEventsLimit)
                    : memory->readFile("memory.oom_control", kEventsLimit);
  return text ? parseOomKills(*text) : 0;
}

}  // namespace keelson::runtime::shim
