#include "kernel/cgroup_memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/fakes/temp_dir.h"

namespace keelson::kernel {
namespace {

void put(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path) << text;
}

struct Case {
  const char* name;
  const char* stat;
  uint64_t usage;
  const char* limit;
  int64_t working_set;
  int64_t rss;
  std::optional<int64_t> limit_bytes;
};

TEST(CgroupMemory, TakesV2AndTotalLinesOfV1) {
  const Case cases[] = {
      {"v2", "anon 60\nfile 40\ninactive_file 30\npgfault 7\npgmajfault 2\n", 100, "200\n", 70, 60, 200},
      {"v2 without limit", "anon 60\ninactive_file 30\n", 100, "max\n", 70, 60, std::nullopt},
      {"v1", "rss 1\ninactive_file 2\ntotal_rss 50\ntotal_inactive_file 20\n", 90, "4096\n", 70, 50, 4096},
      {"v1 without limit", "total_rss 5\n", 90, "9223372036854771712\n", 90, 5, std::nullopt},
      {"more inactive than used", "inactive_file 300\n", 100, "max", 0, 0, std::nullopt},
      {"empty", "", 0, "", 0, 0, std::nullopt},
      {"no number", "inactive_file x\nanon\n", 10, "x", 10, 0, std::nullopt},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.name);
    const CgroupMemory memory = parseCgroupMemory(each.stat, each.usage, each.limit);
    EXPECT_EQ(memory.usage.value, static_cast<int64_t>(each.usage));
    EXPECT_EQ(memory.working_set.value, each.working_set);
    EXPECT_EQ(memory.rss.value, each.rss);
    EXPECT_EQ(memory.limit.has_value(), each.limit_bytes.has_value());
    if (memory.limit && each.limit_bytes) {
      EXPECT_EQ(memory.limit->value, *each.limit_bytes);
    }
  }
}

TEST(CgroupMemory, TheRootOfV2IsAnonAndFile) {
  Meminfo meminfo;
  meminfo.total = Bytes{1000};
  meminfo.free = Bytes{100};
  meminfo.inactive_file = Bytes{300};
  const CgroupMemory by_stat = rootMemory("anon 200\nfile 400\ninactive_file 150\n", meminfo);
  EXPECT_EQ(by_stat.usage.value, 600);
  EXPECT_EQ(by_stat.working_set.value, 450);
  const CgroupMemory by_meminfo = rootMemory("", meminfo);
  EXPECT_EQ(by_meminfo.usage.value, 900);
  EXPECT_EQ(by_meminfo.working_set.value, 600);
}

TEST(CgroupMemory, ReadsATreeOfV2) {
  const TempDir dir;
  put(dir / "pod/memory.current", "1000\n");
  put(dir / "pod/memory.stat", "anon 600\nfile 400\ninactive_file 100\n");
  put(dir / "pod/memory.max", "5000\n");
  put(dir / "pod/cpu.stat", "usage_usec 25\nuser_usec 20\n");
  put(dir / "pod/pids.current", "3\n");
  const CgroupHierarchies v2{CgroupMode::kV2, {{{}, dir.path(), true}}};
  const auto cgroup = Cgroup::open(v2, "pod");
  ASSERT_TRUE(cgroup.ok()) << cgroup.error().text;
  const auto memory = readCgroupMemory(v2, *cgroup);
  ASSERT_TRUE(memory.ok()) << memory.error().text;
  EXPECT_EQ(memory->working_set.value, 900);
  EXPECT_EQ(memory->limit, Bytes{5000});
  EXPECT_EQ(readCgroupCpu(v2, *cgroup).valueOr(0), 25000u);
  EXPECT_EQ(readCgroupPids(*cgroup).valueOr(0), 3u);
  put(dir / "memory.stat", "anon 10\nfile 20\ninactive_file 5\n");
  EXPECT_EQ(readRootMemory(v2)->working_set.value, 25);
}

TEST(CgroupMemory, ReadsTreesOfV1AndHybrid) {
  const TempDir dir;
  put(dir / "memory/memory.usage_in_bytes", "5000\n");
  put(dir / "memory/memory.stat", "total_inactive_file 1000\n");
  put(dir / "memory/pod/memory.usage_in_bytes", "1000\n");
  put(dir / "memory/pod/memory.stat", "inactive_file 1\ntotal_inactive_file 100\n");
  put(dir / "memory/pod/memory.limit_in_bytes", "9223372036854771712\n");
  put(dir / "cpuacct/pod/cpuacct.usage", "77\n");
  put(dir / "unified/pod/cgroup.procs", "");
  const CgroupHierarchies hybrid{CgroupMode::kHybrid,
                                 {{{"memory"}, dir / "memory", false},
                                  {{"cpuacct"}, dir / "cpuacct", false},
                                  {{}, dir / "unified", true}}};
  const auto cgroup = Cgroup::open(hybrid, "pod");
  ASSERT_TRUE(cgroup.ok());
  const auto memory = readCgroupMemory(hybrid, *cgroup);
  ASSERT_TRUE(memory.ok()) << memory.error().text;
  EXPECT_EQ(memory->working_set.value, 900);
  EXPECT_FALSE(memory->limit.has_value());
  EXPECT_EQ(readCgroupCpu(hybrid, *cgroup).valueOr(0), 77u);
  EXPECT_EQ(readCgroupPids(*cgroup).error().code, Code::kUnsupported);
  EXPECT_EQ(readRootMemory(hybrid)->working_set.value, 4000);
}

TEST(CgroupMemory, WithoutTheControllerIsUnsupported) {
  const TempDir dir;
  put(dir / "unified/pod/cgroup.procs", "");
  const CgroupHierarchies hybrid{CgroupMode::kHybrid, {{{}, dir / "unified", true}}};
  const auto cgroup = Cgroup::open(hybrid, "pod");
  ASSERT_TRUE(cgroup.ok());
  EXPECT_EQ(readCgroupMemory(hybrid, *cgroup).error().code, Code::kUnsupported);
  EXPECT_EQ(readRootMemory(hybrid).error().code, Code::kUnsupported);
}

}  // namespace
}  // namespace keelson::kernel
