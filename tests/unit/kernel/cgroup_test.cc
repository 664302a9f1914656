// Cgroup on directory trees that hold real control-file texts.
#include "kernel/cgroup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <sstream>
#include <utility>

namespace keelson::kernel {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A temporary tree made from {path, text}, removed afterwards.
class Tree {
 public:
  Tree(std::initializer_list<std::pair<std::string, std::string>> files) {
    std::string name = ::testing::TempDir() + "/keelson-cgroup-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) std::abort();
    top_ = name;
    for (const auto& [path, text] : files) write(path, text);
  }
  ~Tree() { fs::remove_all(top_); }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  void write(const std::string& path, const std::string& text) {
    fs::create_directories((top_ / path).parent_path());
    std::ofstream(top_ / path) << text;
  }
  std::string read(const std::string& path) const {
    std::ostringstream text;
    text << std::ifstream(top_ / path).rdbuf();
    return text.str();
  }
  bool has(const std::string& path) const { return fs::exists(top_ / path); }
  std::string path(const std::string& below) const { return (top_ / below).string(); }

 private:
  fs::path top_;
};

CgroupHierarchies v2(const Tree& tree) { return {CgroupMode::kV2, {{{}, tree.path("."), true}}}; }

CgroupHierarchies hybrid(const Tree& tree) {
  return {CgroupMode::kHybrid,
          {{{"cpu", "cpuacct"}, tree.path("cpu,cpuacct"), false},
           {{"cpuset"}, tree.path("cpuset"), false},
           {{"memory"}, tree.path("memory"), false},
           {{}, tree.path("unified"), true}}};
}

TEST(Cgroup, EnsureOnV2EnablesWhatIsAvailableAndMissing) {
  // A control file of a real tree takes one word a write; a plain file keeps the last one.
  const Tree tree{{"cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc\n"},
                  {"cgroup.subtree_control", "cpuset cpu io memory hugetlb\n"}};
  auto cgroup = Cgroup::ensure(v2(tree), "kubepods");
  ASSERT_TRUE(cgroup.ok()) << cgroup.error().text;
  EXPECT_EQ(tree.read("cgroup.subtree_control"), "+pids");
  EXPECT_TRUE(tree.has("kubepods"));
}

TEST(Cgroup, EnsureOnV2LeavesForeignControllersAlone) {
  const Tree tree{{"cgroup.controllers", "rdma misc\n"}, {"cgroup.subtree_control", "\n"}};
  ASSERT_TRUE(Cgroup::ensure(v2(tree), "kubepods").ok());
  EXPECT_EQ(tree.read("cgroup.subtree_control"), "\n");
}

TEST(Cgroup, EnsureOnHybridTouchesNoSubtreeControl) {
  const Tree tree{{"unified/cgroup.controllers", "hugetlb\n"},
                  {"unified/cgroup.subtree_control", "\n"},
                  {"cpu,cpuacct/tasks", ""},
                  {"memory/tasks", ""},
                  {"cpuset/cpuset.cpus", "0-1\n"},
                  {"cpuset/cpuset.mems", "0\n"},
                  {"cpuset/a/cpuset.cpus", "1\n"},
                  {"cpuset/a/cpuset.mems", "\n"}};
  auto cgroup = Cgroup::ensure(hybrid(tree), "a");
  ASSERT_TRUE(cgroup.ok()) << cgroup.error().text;
  EXPECT_EQ(tree.read("unified/cgroup.subtree_control"), "\n");
  EXPECT_EQ(tree.read("cpuset/a/cpuset.cpus"), "1\n");  // an own choice stays
  EXPECT_EQ(tree.read("cpuset/a/cpuset.mems"), "0\n");
  EXPECT_EQ(cgroup->v1Descriptors().size(), 3u);
  EXPECT_NE(cgroup->unified(), nullptr);
  EXPECT_EQ(cgroup->controller("cpu"), cgroup->controller("cpuacct"));
  EXPECT_NE(cgroup->controller("cpu"), cgroup->controller("memory"));
  EXPECT_EQ(cgroup->controller("hugetlb"), nullptr);
}

TEST(Cgroup, RefusesPathsThatLeaveTheHierarchy) {
  const Tree tree{{"cgroup.controllers", ""}, {"cgroup.subtree_control", ""}};
  for (const char* path : {"", "/a", "a/", "a//b", "../a", "a/../b", "."}) {
    for (const auto& result : {Cgroup::ensure(v2(tree), path), Cgroup::open(v2(tree), path)}) {
      ASSERT_FALSE(result.ok()) << path;
      EXPECT_EQ(result.error().code, Code::kInvalidArgument) << path;
    }
    EXPECT_EQ(Cgroup::destroy(v2(tree), path).error().code, Code::kInvalidArgument) << path;
  }
}

TEST(Cgroup, OpenSaysNotFoundOnlyWhenItIsNowhere) {
  const Tree tree{
      {"cpu,cpuacct/x/tasks", ""}, {"cpuset/tasks", ""}, {"memory/tasks", ""}, {"unified/cgroup.procs", ""}};
  auto partly = Cgroup::open(hybrid(tree), "x");
  ASSERT_TRUE(partly.ok()) << partly.error().text;
  EXPECT_NE(partly->controller("cpu"), nullptr);
  EXPECT_EQ(partly->controller("memory"), nullptr);
  EXPECT_EQ(partly->unified(), nullptr);
  EXPECT_EQ(Cgroup::open(hybrid(tree), "y").error().code, Code::kNotFound);
}

TEST(Cgroup, WritesAndReadsInTheHierarchyOfTheController) {
  const Tree tree{{"cpu,cpuacct/x/cpu.shares", "1024\n"},
                  {"cpuset/tasks", ""},
                  {"memory/x/memory.limit_in_bytes", "9223372036854771712\n"},
                  {"unified/x/cgroup.procs", ""}};
  auto cgroup = Cgroup::open(hybrid(tree), "x");
  ASSERT_TRUE(cgroup.ok());
  ASSERT_TRUE(cgroup->write("memory", "memory.limit_in_bytes", "1048576").ok());
  EXPECT_EQ(tree.read("memory/x/memory.limit_in_bytes"), "1048576");
  EXPECT_EQ(cgroup->read("cpu", "cpu.shares").value(), "1024\n");
  EXPECT_EQ(cgroup->write("pids", "pids.max", "10").error().code, Code::kUnsupported);
}

TEST(Cgroup, SaysThatAControllerIsNotEnabledOnV2) {
  const Tree tree{{"x/cgroup.procs", ""}};
  auto cgroup = Cgroup::open(v2(tree), "x");
  ASSERT_TRUE(cgroup.ok());
  auto written = cgroup->write("memory", "memory.max", "1");
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().code, Code::kUnsupported);
  EXPECT_THAT(written.error().text, HasSubstr("\"memory\" is not enabled"));
}

TEST(Cgroup, ListsProcessesOfItselfAndBelow) {
  const Tree tree{
      {"x/cgroup.procs", "30\n10\n"}, {"x/exec-1/cgroup.procs", "20\n"}, {"x/empty/cgroup.procs", ""}};
  auto cgroup = Cgroup::open(v2(tree), "x");
  ASSERT_TRUE(cgroup.ok());
  EXPECT_THAT(cgroup->processes().value(), ElementsAre(10, 20, 30));
}

TEST(Cgroup, HybridAsksTheUnifiedHierarchyForProcesses) {
  const Tree tree{{"cpu,cpuacct/x/cgroup.procs", "1\n"},
                  {"cpuset/tasks", ""},
                  {"memory/tasks", ""},
                  {"unified/x/cgroup.procs", "5\n"},
                  {"unified/x/cgroup.events", "populated 1\nfrozen 0\n"}};
  auto cgroup = Cgroup::open(hybrid(tree), "x");
  ASSERT_TRUE(cgroup.ok());
  EXPECT_THAT(cgroup->processes().value(), ElementsAre(5));
  EXPECT_TRUE(cgroup->isPopulated());
}

TEST(Cgroup, IsPopulatedFollowsItsEventsFile) {
  Tree tree{{"x/cgroup.procs", ""}, {"x/cgroup.events", "populated 1\nfrozen 0\n"}};
  auto cgroup = Cgroup::open(v2(tree), "x");
  ASSERT_TRUE(cgroup.ok());
  EXPECT_TRUE(cgroup->isPopulated());
  tree.write("x/cgroup.events", "populated 0\nfrozen 0\n");
  EXPECT_FALSE(cgroup->isPopulated());
}

TEST(Cgroup, IsPopulatedByAProcessOfOneHierarchyAlone) {
  Tree tree{{"cpu,cpuacct/x/cgroup.procs", ""}, {"cpuset/x/cgroup.procs", ""},
            {"memory/x/cgroup.procs", ""},      {"memory/x/below/cgroup.procs", "7\n"},
            {"unified/x/cgroup.procs", ""},     {"unified/x/cgroup.events", "populated 0\nfrozen 0\n"}};
  auto cgroup = Cgroup::open(hybrid(tree), "x");
  ASSERT_TRUE(cgroup.ok());
  EXPECT_TRUE(cgroup->isPopulated());
  tree.write("memory/x/below/cgroup.procs", "");
  EXPECT_FALSE(cgroup->isPopulated());
}

TEST(Cgroup, WhatCannotBeReadCountsAsPopulated) {
  const Tree events{{"x/cgroup.procs", ""}, {"x/cgroup.events/not-a-file", ""}};
  auto of_events = Cgroup::open(v2(events), "x");
  ASSERT_TRUE(of_events.ok());
  EXPECT_TRUE(of_events->isPopulated());
  const Tree processes{{"x/cgroup.procs", "no number\n"}};
  auto of_processes = Cgroup::open(v2(processes), "x");
  ASSERT_TRUE(of_processes.ok());
  EXPECT_TRUE(of_processes->isPopulated());
}

TEST(Cgroup, WaitEmptyNamesWhoIsLeft) {
  const Tree tree{{"x/cgroup.procs", "999999999\n"}, {"x/cgroup.events", "populated 1\n"}};
  auto cgroup = Cgroup::open(v2(tree), "x");
  ASSERT_TRUE(cgroup.ok());
  Stop stop(Duration{0});
  auto waited = cgroup->waitEmpty(stop);
  ASSERT_FALSE(waited.ok());
  EXPECT_EQ(waited.error().code, Code::kDeadlineExceeded);
  EXPECT_THAT(waited.error().text, HasSubstr("cgroup x still has 999999999"));
}

TEST(Cgroup, CountsOomKillsOfV2AsTheKernelSumsThem) {
  const Tree tree{{"x/memory.events", "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 0\n"},
                  {"x/exec-1/memory.events", "oom_kill 2\n"}};
  auto cgroup = Cgroup::open(v2(tree), "x");
  ASSERT_TRUE(cgroup.ok());
  EXPECT_EQ(cgroup->oomKills().value(), 2u);
}

TEST(Cgroup, CountsOomKillsOfV1OverItselfAndBelow) {
  const Tree tree{{"cpu,cpuacct/tasks", ""},
                  {"cpuset/tasks", ""},
                  {"unified/cgroup.procs", ""},
                  {"memory/x/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"},
                  {"memory/x/exec-1/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"}};
  auto cgroup = Cgroup::open(hybrid(tree), "x");
  ASSERT_TRUE(cgroup.ok());
  EXPECT_EQ(cgroup->oomKills().value(), 3u);
}

TEST(Cgroup, DestroyRemovesDeepestFirstInEveryHierarchyAndMayRunTwice) {
  const Tree tree{
      {"cpu,cpuacct/tasks", ""}, {"cpuset/tasks", ""}, {"memory/tasks", ""}, {"unified/cgroup.procs", ""}};
  for (const char* each : {"cpu,cpuacct/a/x/y", "cpuset/a/x", "memory/a/x/y/z", "unified/a/x/y"}) {
    fs::create_directories(tree.path(each));
  }
  for (int run = 0; run < 2; ++run) {
    auto destroyed = Cgroup::destroy(hybrid(tree), "a/x");
    ASSERT_TRUE(destroyed.ok()) << destroyed.error().text;
  }
  for (const char* each : {"cpu,cpuacct", "cpuset", "memory", "unified"}) {
    EXPECT_TRUE(tree.has(std::string(each) + "/a"));
    EXPECT_FALSE(tree.has(std::string(each) + "/a/x"));
  }
}

TEST(Cgroup, DestroyRefusesWhilePopulatedAndRemovesNothing) {
  const Tree tree{{"x/cgroup.events", "populated 1\n"}, {"x/cgroup.procs", "999999999\n"}};
  fs::create_directories(tree.path("x/below"));
  auto destroyed = Cgroup::destroy(v2(tree), "x");
  ASSERT_FALSE(destroyed.ok());
  EXPECT_EQ(destroyed.error().code, Code::kFailedPrecondition);
  EXPECT_TRUE(tree.has("x/below"));
}

TEST(JoinV1Raw, WritesZeroIntoEachTasksFile) {
  const Tree tree{{"a/tasks", ""}, {"b/tasks", ""}};
  const auto a = DirFd::open(tree.path("a")), b = DirFd::open(tree.path("b"));
  ASSERT_TRUE(a.ok() && b.ok());
  const int directories[] = {a->get(), b->get()};
  EXPECT_EQ(joinV1Raw(directories, 2), 0);
  EXPECT_EQ(tree.read("a/tasks"), "0");
  EXPECT_EQ(tree.read("b/tasks"), "0");
}

TEST(JoinV1Raw, ReturnsTheErrno) {
  const Tree tree{{"a/other", ""}};
  const auto a = DirFd::open(tree.path("a"));
  ASSERT_TRUE(a.ok());
  const int directory = a->get();
  EXPECT_EQ(joinV1Raw(&directory, 1), ENOENT);
}

}  // namespace
}  // namespace keelson::kernel
