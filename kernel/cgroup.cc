#include "kernel/cgroup.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "kernel/cgroup_tree.h"

namespace keelson::kernel {
namespace {

constexpr size_t kMaxPathBytes = 4096;
constexpr size_t kMaxNameBytes = 255;

// What kubelet and the OCI runtimes enable; other controllers (rdma, misc) stay as the host has them.
constexpr std::array<std::string_view, 6> kV2Controllers = {"cpuset", "cpu",     "io",
                                                            "memory", "hugetlb", "pids"};

Result<std::vector<std::string>> splitPath(const std::string& path) {
  std::vector<std::string> names;
  if (path.size() > kMaxPathBytes)
    return makeError(Code::kInvalidArgument, "cgroup path of {} bytes", path.size());
  for (size_t at = 0; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    names.push_back(path.substr(at, end - at));
    const std::string& name = names.back();
    if (name.empty() || name == "." || name == ".." || name.size() > kMaxNameBytes) {
      return makeError(Code::kInvalidArgument, "cgroup path \"{}\": bad component \"{}\"", path, name);
    }
    at = end + 1;
  }
  if (names.size() > kMaxCgroupDepth) {
    return makeError(Code::kInvalidArgument, "cgroup path \"{}\" is deeper than {}", path, kMaxCgroupDepth);
  }
  return names;
}

bool hasWord(std::string_view text, std::string_view word) {
  for (size_t at = 0; at < text.size();) {
    const size_t start = text.find_first_not_of(" \n", at);
    if (start == std::string_view::npos) return false;
    const size_t end = std::min(text.find_first_of(" \n", start), text.size());
    if (text.substr(start, end - start) == word) return true;
    at = end;
  }
  return false;
}

// Makes controllers available to the children of `dir`. EBUSY (it has processes of its own and is not
// the root: the rule of no internal processes), EINVAL (realtime processes keep "cpu" away) and EOPNOTSUPP (a
// threaded cgroup) leave that controller off; a later write of its files says so with kUnsupported.
// https://docs.kernel.org/admin-guide/cgroup-v2.html#organizing-processes-and-threads
Result<void> enableControllers(const DirFd& dir) {
  const auto available = dir.readFile("cgroup.controllers", kControlFileLimit);
  if (!available && available.error().code == Code::kNotFound) return {};
  if (!available) return available.error();
  const std::string enabled = TRY(dir.readFile("cgroup.subtree_control", kControlFileLimit));
  for (const std::string_view controller : kV2Controllers) {
    if (!hasWord(available.value(), controller) || hasWord(enabled, controller)) continue;
    auto written = writeControlFile(dir, "cgroup.subtree_control", fmt::format("+{}", controller));
    if (written) continue;
    const int sys = written.error().sys;
    if (sys != EBUSY && sys != EINVAL && sys != EOPNOTSUPP) return written;
  }
  return {};
}

// A new v1 cpuset has no cpus and no memory nodes, and nothing can join it: cpuset(7).
Result<void> inheritCpuset(const DirFd& parent, const DirFd& child) {
  for (const char* file : {"cpuset.cpus", "cpuset.mems"}) {
    const std::string own = TRY(child.readFile(file, kControlFileLimit));
    if (own.find_first_not_of(" \n") != std::string::npos) continue;
    const std::string inherited = TRY(parent.readFile(file, kControlFileLimit));
    TRY(writeControlFile(child, file, inherited));
  }
  return {};
}

Result<DirFd> ensureIn(const CgroupMount& mount, CgroupMode mode, const std::vector<std::string>& names) {
  DirFd dir = TRY(DirFd::open(mount.path));
  const bool is_cpuset =
      std::find(mount.controllers.begin(), mount.controllers.end(), "cpuset") != mount.controllers.end();
  for (const std::string& name : names) {
    if (mount.unified && mode == CgroupMode::kV2) TRY(enableControllers(dir));
    DirFd child = TRY_CTX(dir.ensureDir(name), "make {}", name);
    if (is_cpuset) TRY_CTX(inheritCpuset(dir, child), "cpuset of {}", name);
    dir = std::move(child);
  }
  return dir;
}

// The first `key N` line's number.
Result<uint64_t> numberAfter(std::string_view text, std::string_view key) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ' ') {
      return parseNumber(line.substr(key.size() + 1));
    }
    at = end + 1;
  }
  return makeError(Code::kUnsupported, "no line \"{}\"", key);
}

}  // namespace

Result<Cgroup> Cgroup::ensure(const CgroupHierarchies& hierarchies, const std::string& path) {
  const std::vector<std::string> names = TRY(splitPath(path));
  Cgroup cgroup;
  cgroup.mode_ = hierarchies.mode;
  cgroup.path_ = path;
  for (const CgroupMount& mount : hierarchies.mounts) {
    DirFd dir = TRY_CTX(ensureIn(mount, hierarchies.mode, names), "cgroup {} in {}", path, mount.path);
    cgroup.entries_.push_back({mount.controllers, mount.unified, std::move(dir)});
  }
  return cgroup;
}

Result<Cgroup> Cgroup::open(const CgroupHierarchies& hierarchies, const std::string& path) {
  TRY(splitPath(path));
  Cgroup cgroup;
  cgroup.mode_ = hierarchies.mode;
  cgroup.path_ = path;
  for (const CgroupMount& mount : hierarchies.mounts) {
    const DirFd top = TRY_CTX(DirFd::open(mount.path), "cgroup {}", path);
    auto dir = top.openDir(path);
    if (!dir && dir.error().code == Code::kNotFound) continue;
    if (!dir) return std::move(dir).error().withContext(fmt::format("cgroup {} in {}", path, mount.path));
    cgroup.entries_.push_back({mount.controllers, mount.unified, std::move(dir).value()});
  }
  if (cgroup.entries_.empty()) return makeError(Code::kNotFound, "cgroup {} does not exist", path);
  return cgroup;
}

const DirFd* Cgroup::unified() const {
  for (const Entry& entry : entries_) {
    if (entry.unified) return &entry.dir;
  }
  return nullptr;
}

const DirFd* Cgroup::controller(std::string_view name) const {
  if (name.empty() || mode_ == CgroupMode::kV2) return unified();
  for (const Entry& entry : entries_) {
    if (std::find(entry.controllers.begin(), entry.controllers.end(), name) != entry.controllers.end()) {
      return &entry.dir;
    }
  }
  return nullptr;
}

std::vector<int> Cgroup::v1Descriptors() const {
  std::vector<int> descriptors;
  for (const Entry& entry : entries_) {
    if (!entry.unified) descriptors.push_back(entry.dir.get());
  }
  return descriptors;
}

Result<void> Cgroup::write(std::string_view controller_name, const std::string& file,
                           std::string_view value) const {
  const DirFd* dir = controller(controller_name);
  if (dir == nullptr) {
    return makeError(Code::kUnsupported, "cgroup {}: no controller \"{}\"", path_, controller_name);
  }
  auto written = writeControlFile(*dir, file, value);
  if (written) return {};
  if (written.error().code == Code::kNotFound && !controller_name.empty()) {
    return makeError(Code::kUnsupported, "cgroup {}: controller \"{}\" is not enabled here, or has no {}",
                     path_, controller_name, file);
  }
  return std::move(written).error().withContext(fmt::format("cgroup {}", path_));
}

Result<std::string> Cgroup::read(std::string_view controller_name, const std::string& file) const {
  const DirFd* dir = controller(controller_name);
  if (dir == nullptr) {
    return makeError(Code::kUnsupported, "cgroup {}: no controller \"{}\"", path_, controller_name);
  }
  auto text = dir->readFile(file, kControlFileLimit);
  if (!text && text.error().code == Code::kNotFound && !controller_name.empty()) {
    return makeError(Code::kUnsupported, "cgroup {}: controller \"{}\" is not enabled here, or has no {}",
                     path_, controller_name, file);
  }
  if (!text) return std::move(text).error().withContext(fmt::format("cgroup {}", path_));
  return text;
}

Result<uint64_t> Cgroup::oomKills() const {
  const DirFd* dir = controller("memory");
  if (dir == nullptr) return makeError(Code::kUnsupported, "cgroup {}: no controller \"memory\"", path_);
  if (mode_ == CgroupMode::kV2) {  // memory.events counts this cgroup and below
    const std::string events = TRY(read("memory", "memory.events"));
    return TRY_CTX(numberAfter(events, "oom_kill"), "cgroup {}: memory.events", path_);
  }
  // On v1 each cgroup counts only its own (mm/memcontrol.c, memcg_memory_event).
  uint64_t sum = 0;
  const auto add = [&sum](const DirFd& each) -> Result<void> {
    const std::string text = TRY(each.readFile("memory.oom_control", kControlFileLimit));
    sum += TRY_CTX(numberAfter(text, "oom_kill"), "memory.oom_control");
    return {};
  };
  TRY_CTX(walkCgroups(*dir, add), "cgroup {}", path_);
  return sum;
}

int joinV1Raw(const int* directories, int count) {
  for (int i = 0; i < count; ++i) {
    const long fd = syscall(SYS_openat, directories[i], "tasks", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    const int err = syscall(SYS_write, fd, "0", 1L) == 1 ? 0 : errno;
    syscall(SYS_close, fd);
    if (err != 0) return err;
  }
  return 0;
}

}  // namespace keelson::kernel
