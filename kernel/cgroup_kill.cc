// The end of a cgroup: who runs in it, kill, wait, remove.
#include <dirent.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <set>

#include "kernel/cgroup.h"
#include "kernel/cgroup_tree.h"
#include "kernel/pidfd.h"

namespace keelson::kernel {
namespace {

constexpr int kMaxKillRounds = 64;
constexpr size_t kSignalBatch = 256;    // pidfds open at a time
constexpr size_t kNamedProcesses = 16;  // in an error text
constexpr size_t kEventsLimit = 4096;
// A process leaves its cgroup shortly after its parent saw it end; removal waits this long for that.
constexpr Duration kSettleTime = std::chrono::milliseconds(200);
// How often blocking waits look at Stop::cancelled(), which has no descriptor.
constexpr std::chrono::milliseconds kCancelPeriod{50};

std::chrono::milliseconds waitSlice(const Stop& stop) {
  return std::clamp(stop.remaining(), std::chrono::milliseconds(1), kCancelPeriod);
}

std::string describe(const std::vector<pid_t>& pids) {
  std::string text;
  for (size_t i = 0; i < pids.size() && i < kNamedProcesses; ++i) {
    auto command = readFile(fmt::format("/proc/{}/comm", pids[i]), 256);
    std::string name = command ? command.value() : "gone";
    while (name.ends_with('\n')) name.pop_back();
    text += fmt::format("{}{} ({})", i == 0 ? "" : ", ", pids[i], name);
  }
  if (pids.size() > kNamedProcesses) text += fmt::format(" and {} more", pids.size() - kNamedProcesses);
  return text;
}

// cgroup.events of the v2 hierarchy, from its start. A removed cgroup is an empty one.
Result<bool> readPopulated(int events) {
  char text[kEventsLimit];
  const ssize_t size = pread(events, text, sizeof text, 0);
  if (size < 0 && errno == ENODEV) return false;
  if (size < 0) return sysError("read cgroup.events");
  return std::string_view(text, static_cast<size_t>(size)).find("populated 1") != std::string_view::npos;
}

// kernfs wakes POLLPRI on a change since the last read of the same descriptor, so none is missed:
// https://docs.kernel.org/admin-guide/cgroup-v2.html#un-populated-notification
Result<void> waitUnpopulated(const DirFd& unified, Stop& stop) {
  auto events = unified.openBeneath("cgroup.events", O_RDONLY);
  if (!events) {
    return events.error().code == Code::kNotFound ? Result<void>() : std::move(events).error();
  }
  while (TRY(readPopulated(events->get()))) {
    TRY(stop.check("wait for its processes"));
    pollfd poll_fd{events->get(), POLLPRI, 0};
    if (poll(&poll_fd, 1, static_cast<int>(waitSlice(stop).count())) < 0 && errno != EINTR) {
      return sysError("poll cgroup.events");
    }
  }
  return {};
}

// v1 tells nobody when a cgroup empties: wait for its processes one after the other.
Result<void> waitProcessesEnd(const DirFd& dir, Stop& stop) {
  while (true) {
    const std::vector<pid_t> pids = TRY(processesBelow(dir));
    if (pids.empty()) return {};
    TRY(stop.check("wait for its processes"));
    const std::chrono::milliseconds slice = waitSlice(stop);
    // Processes outside of our pid namespace are listed as 0 and can only be waited for by looking again.
    auto pidfd = Pidfd::open(pids.back());
    if (pidfd && !pidfd->hasEnded()) {
      auto ended = pidfd->waitEnd(slice);
      if (!ended && ended.error().code != Code::kDeadlineExceeded) return ended;
    } else {
      poll(nullptr, 0, 1);  // it has ended and is about to leave
    }
  }
}

// SIGKILL to each process below `dir` that is not in `done`; returns how many were new.
Result<size_t> signalNew(const DirFd& dir, std::set<std::pair<pid_t, uint64_t>>& done) {
  size_t fresh = 0;
  const std::vector<pid_t> pids = TRY(processesBelow(dir));
  for (size_t at = 0; at < pids.size(); at += kSignalBatch) {
    const std::vector<pid_t> batch(
        pids.begin() + static_cast<ssize_t>(at),
        pids.begin() + static_cast<ssize_t>(std::min(at + kSignalBatch, pids.size())));
    std::vector<std::pair<pid_t, Pidfd>> held;
    for (const pid_t pid : batch) {
      auto pidfd = Pidfd::open(pid);
      if (pidfd) held.emplace_back(pid, std::move(pidfd).value());
    }
    // Listed again after the descriptor was taken: the descriptor is of a member, not of a number reborn
    // elsewhere.
    const std::vector<pid_t> still = TRY(processesBelow(dir));
    for (const auto& [pid, pidfd] : held) {
      if (!std::binary_search(still.begin(), still.end(), pid)) continue;
      auto identity = identify(pid);
      if (!identity || !done.emplace(pid, identity->start_ticks).second) continue;
      TRY_CTX(pidfd.signal(SIGKILL), "kill process {}", pid);
      ++fresh;
    }
  }
  return fresh;
}

Result<void> killByRounds(const DirFd& dir) {
  std::set<std::pair<pid_t, uint64_t>> done;
  for (int round = 0; round < kMaxKillRounds; ++round) {
    if (TRY(signalNew(dir, done)) == 0) return {};
  }
  return makeError(Code::kUnavailable, "new processes keep appearing after {} rounds of SIGKILL",
                   kMaxKillRounds);
}

// Writes `value` to `file` of `top` and each cgroup below where there is such a file.
Result<void> writeEverywhere(const DirFd& top, const std::string& file, std::string_view value) {
  return walkCgroups(top, [&](const DirFd& dir) { return writeControlFile(dir, file, value); });
}

Result<void> removeBelow(const DirFd& parent, const std::string& name, size_t depth) {
  if (depth == 0)
    return makeError(Code::kResourceExhausted, "cgroups nested deeper than {}", kMaxCgroupDepth);
  auto dir = parent.openDir(name);
  if (!dir) return dir.error().code == Code::kNotFound ? Result<void>() : std::move(dir).error();
  auto children = dir->list();
  if (!children)
    return children.error().code == Code::kNotFound ? Result<void>() : std::move(children).error();
  ErrorList errors;
  for (const DirEntry& child : children.value()) {
    if (child.type == DT_DIR) errors.add(removeBelow(dir.value(), child.name, depth - 1));
  }
  if (unlinkat(parent.get(), name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
    errors.add(sysError("rmdir {}", name));
  }
  return errors.result();
}

Result<void> removeIn(const CgroupMount& mount, const std::string& path) {
  DirFd parent = TRY(DirFd::open(mount.path));
  const size_t slash = path.rfind('/');
  if (slash != std::string::npos) {
    auto above = parent.openDir(path.substr(0, slash));
    if (!above) return above.error().code == Code::kNotFound ? Result<void>() : std::move(above).error();
    parent = std::move(above).value();
  }
  return removeBelow(parent, slash == std::string::npos ? path : path.substr(slash + 1), kMaxCgroupDepth);
}

}  // namespace

Result<std::vector<pid_t>> Cgroup::processes() const {
  if (const DirFd* dir = unified()) return TRY_CTX(processesBelow(*dir), "cgroup {}", path_);
  if (entries_.empty()) return std::vector<pid_t>{};
  return TRY_CTX(processesBelow(entries_.front().dir), "cgroup {}", path_);
}

// Each hierarchy is asked: a stranger (systemd for a login session) may have moved a process in one alone.
bool Cgroup::isPopulated() const {
  return std::any_of(entries_.begin(), entries_.end(), [](const Entry& entry) {
    if (entry.unified) {
      auto events = entry.dir.openBeneath("cgroup.events", O_RDONLY);
      if (events) return readPopulated(events->get()).valueOr(true);
      if (events.error().code != Code::kNotFound) return true;
    }
    const auto pids = processesBelow(entry.dir);
    return !pids || !pids->empty();
  });
}

Result<void> Cgroup::kill() const {
  ErrorList errors;
  const DirFd* v2 = unified();
  auto killed = v2 == nullptr ? makeError(Code::kUnsupported, "no v2 hierarchy")
                              : writeControlFile(*v2, "cgroup.kill", "1");
  if (!killed && killed.error().code != Code::kNotFound && killed.error().code != Code::kUnsupported) {
    errors.add(std::move(killed));
  } else if (!killed) {
    // Frozen processes make no new ones; where freezing fails, rounds alone must win the race.
    if (v2 != nullptr) {
      (void)writeControlFile(*v2, "cgroup.freeze", "1");
      errors.add(killByRounds(*v2));
      (void)writeControlFile(*v2, "cgroup.freeze", "0");
    } else if (const DirFd* freezer = controller("freezer")) {
      (void)writeControlFile(*freezer, "freezer.state", "FROZEN");
    }
  }
  // A process may be in a v1 cgroup alone: moved by a stranger, or caught between the two joins.
  for (const Entry& entry : entries_) {
    if (!entry.unified) errors.add(killByRounds(entry.dir));
  }
  // SIGKILL ends a process frozen by v1 only once it is thawed.
  if (mode_ != CgroupMode::kV2) errors.add(thaw());
  auto result = errors.result();
  if (!result) return std::move(result).error().withContext(fmt::format("kill cgroup {}", path_));
  return {};
}

Result<void> Cgroup::waitEmpty(Stop& stop) const {
  Result<void> waited;
  if (const DirFd* dir = unified()) waited = waitUnpopulated(*dir, stop);
  for (const Entry& entry : entries_) {
    if (waited && !entry.unified) waited = waitProcessesEnd(entry.dir, stop);
  }
  if (waited) return {};
  auto left = processes();
  const std::string who = left && !left->empty() ? describe(left.value()) : "unknown processes";
  return std::move(waited).error().withContext(fmt::format("cgroup {} still has {}", path_, who));
}

Result<void> Cgroup::thaw() const {
  ErrorList errors;
  if (const DirFd* dir = unified()) errors.add(writeEverywhere(*dir, "cgroup.freeze", "0"));
  if (mode_ != CgroupMode::kV2) {
    if (const DirFd* freezer = controller("freezer"))
      errors.add(writeEverywhere(*freezer, "freezer.state", "THAWED"));
  }
  auto result = errors.result();
  if (!result) return std::move(result).error().withContext(fmt::format("thaw cgroup {}", path_));
  return {};
}

Result<void> Cgroup::destroy(const CgroupHierarchies& hierarchies, const std::string& path) {
  auto cgroup = open(hierarchies, path);
  if (!cgroup) return cgroup.error().code == Code::kNotFound ? Result<void>() : std::move(cgroup).error();
  Stop settle(kSettleTime);
  auto empty = cgroup->waitEmpty(settle);
  if (!empty) {
    Error error = std::move(empty).error();
    if (error.code == Code::kDeadlineExceeded) error.code = Code::kFailedPrecondition;
    return std::move(error).withContext("remove");
  }
  ErrorList errors;
  for (const CgroupMount& mount : hierarchies.mounts) {
    auto removed = removeIn(mount, path);
    if (!removed)
      errors.add(
          std::move(removed).error().withContext(fmt::format("remove cgroup {} in {}", path, mount.path)));
  }
  return errors.result();
}

}  // namespace keelson::kernel
