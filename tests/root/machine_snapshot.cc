#include "tests/root/machine_snapshot.h"

#include <fcntl.h>
#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <iterator>

#include "base/fs.h"
#include "kernel/cgroup.h"
#include "kernel/mountinfo.h"
#include "kernel/pidfd.h"

namespace keelson::test {
namespace {

namespace fs = std::filesystem;
using Things = std::multiset<std::string>;

constexpr size_t kMaxFiles = 200'000;
constexpr size_t kMaxRulesetBytes = size_t{64} << 20;
constexpr unsigned long kKernelThread = 0x00200000;  // PF_KTHREAD of include/linux/sched.h, field 9 of stat

// Field 9 of proc_pid_stat(5).
unsigned long flagsOf(const std::string& stat) {
  const size_t command_end = stat.rfind(')');
  unsigned long flags = 0;
  if (command_end == std::string::npos) return 0;
  if (sscanf(stat.c_str() + command_end + 1, " %*c %*d %*d %*d %*d %*d %lu", &flags) != 1) return 0;
  return flags;
}

void addProcesses(Things& things) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename();
    int pid = 0;
    const auto [end, err] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (err != std::errc{} || end != name.data() + name.size()) continue;
    auto stat = readFile("/proc/" + name + "/stat", 4096);
    if (!stat || (flagsOf(stat.value()) & kKernelThread) != 0) continue;
    const size_t open = stat->find('('), close = stat->rfind(')');
    if (open == std::string::npos || close == std::string::npos) continue;
    auto started = kernel::parseStartTicks(stat.value());
    things.insert(fmt::format("process {} {} started {}", pid, stat->substr(open, close - open + 1),
                              started ? started.value() : 0));
  }
}

Result<void> addMounts(Things& things) {
  const std::vector<kernel::MountinfoEntry> mounts = TRY(kernel::ownMountinfo());
  for (const kernel::MountinfoEntry& mount : mounts) {
    things.insert(fmt::format("mount {} ({} {})", mount.mount_point, mount.filesystem, mount.root));
  }
  return {};
}

Result<void> addLinks(Things& things) {
  struct if_nameindex* links = if_nameindex();
  if (links == nullptr) return sysError("list links");
  for (const struct if_nameindex* link = links; link->if_name != nullptr; ++link) {
    things.insert(fmt::format("link {}", link->if_name));
  }
  if_freenameindex(links);
  return {};
}

// The whole ruleset, a line a thing, each with the table and chain it stands in.
Result<void> addNft(Things& things) {
  FILE* pipe = popen("nft --stateless list ruleset 2>/dev/null", "re");
  if (pipe == nullptr) return sysError("run nft");
  auto text = readFd(fileno(pipe), kMaxRulesetBytes);
  pclose(pipe);
  if (!text) return std::move(text).error().withContext("nft list ruleset");
  std::string_view rest = text.value();
  std::string table, chain;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.empty()) continue;
    if (line.front() != '\t' && line.front() != '}') table = line;
    if (line.size() > 1 && line[0] == '\t' && line[1] != '\t' && line[1] != '}') chain = line.substr(1);
    things.insert(fmt::format("nft {} {} {}", table, chain, line));
  }
  return {};
}

Result<void> addTree(Things& things, const std::string& kind, const std::string& top) {
  std::error_code err;
  size_t count = 0;
  for (auto at = fs::recursive_directory_iterator(top, fs::directory_options::skip_permission_denied, err);
       at != fs::recursive_directory_iterator(); at.increment(err)) {
    if (++count > kMaxFiles)
      return makeError(Code::kResourceExhausted, "more than {} files below {}", kMaxFiles, top);
    std::error_code ignored;
    const bool directory = at->is_directory(ignored) && !at->is_symlink(ignored);
    if (kind == "cgroup" && !directory) continue;
    things.insert(fmt::format("{} {}", kind, at->path().string()));
  }
  return {};
}

void addDescriptors(Things& things) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc/self/fd", ignored)) {
    std::error_code gone;
    const fs::path target = fs::read_symlink(entry.path(), gone);
    if (gone || target.string().ends_with("/fd")) continue;  // the iterator's own
    things.insert(fmt::format("descriptor {} {}", entry.path().filename().string(), target.string()));
  }
}

}  // namespace

Result<MachineSnapshot> MachineSnapshot::take(const SnapshotScope& scope) {
  MachineSnapshot snapshot;
  Things& things = snapshot.things_;
  addProcesses(things);
  TRY(addMounts(things));
  TRY(addLinks(things));
  TRY(addNft(things));
  addDescriptors(things);
  const kernel::CgroupHierarchies hierarchies = TRY(kernel::CgroupHierarchies::ofThisHost());
  for (const kernel::CgroupMount& mount : hierarchies.mounts) {
    for (const std::string& path : scope.cgroups) {
      const std::string top = path.empty() ? mount.path : mount.path + "/" + path;
      if (fs::exists(top)) things.insert("cgroup " + top);
      TRY(addTree(things, "cgroup", top));
    }
  }
  for (const std::string& directory : scope.directories) TRY(addTree(things, "file", directory));
  return snapshot;
}

std::string MachineSnapshot::difference(const MachineSnapshot& later) const {
  std::vector<std::string> more, fewer;
  std::set_difference(later.things_.begin(), later.things_.end(), things_.begin(), things_.end(),
                      std::back_inserter(more));
  std::set_difference(things_.begin(), things_.end(), later.things_.begin(), later.things_.end(),
                      std::back_inserter(fewer));
  std::string text;
  for (const std::string& thing : more) text += "+ " + thing + "\n";
  for (const std::string& thing : fewer) text += "- " + thing + "\n";
  return text;
}

}  // namespace keelson::test
