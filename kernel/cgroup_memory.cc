#include "kernel/cgroup_memory.h"

#include <algorithm>
#include <charconv>

#include "base/fs.h"
#include "kernel/cgroup_tree.h"

namespace keelson::kernel {
namespace {

// v1 says "no limit" as the largest int64 rounded down to a page; nobody sets one near it.
constexpr uint64_t kNoLimitV1 = uint64_t{1} << 62;

std::optional<uint64_t> lineOf(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.size() <= key.size() || !line.starts_with(key) || line[key.size()] != ' ') continue;
    const auto number = parseNumber(line.substr(key.size() + 1));
    if (number) return *number;
    return std::nullopt;
  }
  return std::nullopt;
}

// v1 has the sums over cgroups below in lines "total_x", v2 has "x".
uint64_t sumOf(std::string_view stat, std::string_view v2, std::string_view v1) {
  if (const auto total = lineOf(stat, v1)) return *total;
  return lineOf(stat, v2).value_or(0);
}

Bytes bytes(uint64_t value) { return Bytes{static_cast<int64_t>(std::min(value, kNoLimitV1))}; }

Result<uint64_t> readNumberOf(const Cgroup& cgroup, std::string_view controller, const std::string& file) {
  const std::string text = TRY(cgroup.read(controller, file));
  return TRY_CTX(parseNumber(text), "cgroup {}: {}", cgroup.path(), file);
}

const CgroupMount* mountOf(const CgroupHierarchies& hierarchies, std::string_view controller) {
  for (const CgroupMount& mount : hierarchies.mounts) {
    if (hierarchies.mode == CgroupMode::kV2 ? mount.unified
                                            : std::find(mount.controllers.begin(), mount.controllers.end(),
                                                        controller) != mount.controllers.end()) {
      return &mount;
    }
  }
  return nullptr;
}

}  // namespace

CgroupMemory parseCgroupMemory(std::string_view stat, uint64_t usage, std::string_view limit) {
  const uint64_t inactive = sumOf(stat, "inactive_file", "total_inactive_file");
  CgroupMemory out;
  out.usage = bytes(usage);
  out.inactive_file = bytes(inactive);
  out.working_set = bytes(usage > inactive ? usage - inactive : 0);
  out.rss = bytes(sumOf(stat, "anon", "total_rss"));
  out.page_faults = sumOf(stat, "pgfault", "total_pgfault");
  out.major_page_faults = sumOf(stat, "pgmajfault", "total_pgmajfault");
  const auto number = parseNumber(limit);
  if (number && *number < kNoLimitV1) out.limit = bytes(*number);
  return out;
}

CgroupMemory rootMemory(std::string_view stat, const Meminfo& meminfo) {
  const auto anon = lineOf(stat, "anon");
  const auto file = lineOf(stat, "file");
  if (anon && file) return parseCgroupMemory(stat, *anon + *file, "max");
  CgroupMemory out;
  out.usage = Bytes{std::max<int64_t>(meminfo.total.value - meminfo.free.value, 0)};
  out.inactive_file = meminfo.inactive_file;
  out.working_set = Bytes{std::max<int64_t>(out.usage.value - out.inactive_file.value, 0)};
  return out;
}

Result<CgroupMemory> readCgroupMemory(const CgroupHierarchies& hierarchies, const Cgroup& cgroup) {
  const bool v2 = hierarchies.mode == CgroupMode::kV2;
  const uint64_t usage = TRY(readNumberOf(cgroup, "memory", v2 ? "memory.current" : "memory.usage_in_bytes"));
  const std::string stat = TRY(cgroup.read("memory", "memory.stat"));
  const std::string limit = TRY(cgroup.read("memory", v2 ? "memory.max" : "memory.limit_in_bytes"));
  return parseCgroupMemory(stat, usage, limit);
}

Result<CgroupMemory> readRootMemory(const CgroupHierarchies& hierarchies) {
  const CgroupMount* mount = mountOf(hierarchies, "memory");
  if (mount == nullptr) return makeError(Code::kUnsupported, "no cgroup hierarchy has the memory controller");
  const DirFd root = TRY(DirFd::open(mount->path));
  auto stat = root.readFile("memory.stat", kControlFileLimit);
  if (!stat && stat.error().code != Code::kNotFound) return stat.error();
  const std::string text = std::move(stat).valueOr("");
  if (hierarchies.mode == CgroupMode::kV2) {
    const Meminfo meminfo = TRY(readMeminfo());
    return rootMemory(text, meminfo);
  }
  const std::string usage_text = TRY(root.readFile("memory.usage_in_bytes", kControlFileLimit));
  const uint64_t usage = TRY_CTX(parseNumber(usage_text), "memory.usage_in_bytes");
  return parseCgroupMemory(text, usage, "max");
}

Result<uint64_t> readCgroupCpu(const CgroupHierarchies& hierarchies, const Cgroup& cgroup) {
  if (hierarchies.mode != CgroupMode::kV2) return readNumberOf(cgroup, "cpuacct", "cpuacct.usage");
  const std::string stat = TRY(cgroup.read("cpu", "cpu.stat"));
  const auto microseconds = lineOf(stat, "usage_usec");
  if (!microseconds)
    return makeError(Code::kDataLoss, "cgroup {}: cpu.stat without usage_usec", cgroup.path());
  return *microseconds * 1000;
}

Result<uint64_t> readCgroupPids(const Cgroup& cgroup) { return readNumberOf(cgroup, "pids", "pids.current"); }

}  // namespace keelson::kernel
