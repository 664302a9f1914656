// What a cgroup holds of memory, time and processes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/units.h"
#include "kernel/cgroup.h"
#include "kernel/meminfo.h"

namespace keelson::kernel {

// Of a cgroup and those below it. A plain value.
struct CgroupMemory {
  Bytes usage;
  Bytes working_set;  // usage less inactive_file: what the kernel cannot drop at once, as Kubernetes counts
  Bytes rss;          // anonymous memory
  Bytes inactive_file;
  std::optional<Bytes> limit;  // absent: none
  uint64_t page_faults = 0;
  uint64_t major_page_faults = 0;
};

// From the texts of memory.stat (memory.stat of v2, or of v1 with its total_ lines), the usage, and the limit
// ("max", or v1's page-rounded int64 maximum, is none). Pure.
CgroupMemory parseCgroupMemory(std::string_view stat, uint64_t usage, std::string_view limit);

// The root of v2 has no memory.current: usage is anon + file of memory.stat, as the OCI runtimes and cAdvisor
// have it; without memory.stat what is not free is used. Pure.
CgroupMemory rootMemory(std::string_view stat, const Meminfo& meminfo);

// kUnsupported without a memory controller there.
Result<CgroupMemory> readCgroupMemory(const CgroupHierarchies& hierarchies, const Cgroup& cgroup);
// Of the whole machine: the root cgroup.
Result<CgroupMemory> readRootMemory(const CgroupHierarchies& hierarchies);

// Used CPU time in nanoseconds, and tasks, of a cgroup and those below it. kUnsupported as above.
Result<uint64_t> readCgroupCpu(const CgroupHierarchies& hierarchies, const Cgroup& cgroup);
Result<uint64_t> readCgroupPids(const Cgroup& cgroup);

}  // namespace keelson::kernel
