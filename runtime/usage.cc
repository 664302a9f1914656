#include "runtime/usage.h"

#include <algorithm>
#include <charconv>

namespace keelson::runtime {
namespace {

uint64_t numberIn(std::string_view text) {
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

uint64_t numberOf(const kernel::Cgroup& cgroup, std::string_view controller, const std::string& file) {
  const auto text = cgroup.read(controller, file);
  return text ? numberIn(*text) : 0;
}

std::string textOf(const kernel::Cgroup& cgroup, std::string_view controller, const std::string& file) {
  return cgroup.read(controller, file).valueOr("");
}

}  // namespace

uint64_t statValue(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.size() > key.size() && line.substr(0, key.size()) == key && line[key.size()] == ' ') {
      return numberIn(line.substr(key.size() + 1));
    }
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return 0;
}

Result<Runtime::Usage> readUsage(const kernel::CgroupHierarchies& hierarchies, const std::string& path) {
  const auto cgroup = TRY(kernel::Cgroup::open(hierarchies, path));
  Runtime::Usage usage;
  uint64_t used = 0;
  uint64_t droppable = 0;
  if (hierarchies.mode == kernel::CgroupMode::kV2) {
    usage.cpu_nanoseconds = statValue(textOf(cgroup, "cpu", "cpu.stat"), "usage_usec") * 1000;
    used = numberOf(cgroup, "memory", "memory.current");
    droppable = statValue(textOf(cgroup, "memory", "memory.stat"), "inactive_file");
  } else {
    usage.cpu_nanoseconds = numberOf(cgroup, "cpuacct", "cpuacct.usage");
    used = numberOf(cgroup, "memory", "memory.usage_in_bytes");
    droppable = statValue(textOf(cgroup, "memory", "memory.stat"), "total_inactive_file");
  }
  usage.memory_working_set = Bytes{static_cast<int64_t>(used > droppable ? used - droppable : 0)};
  usage.pids = numberOf(cgroup, "pids", "pids.current");
  return usage;
}

}  // namespace keelson::runtime
