#include "kubelet/node/machine_facts.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "kubelet/node/start_checks.h"
#include "tests/fakes/temp_dir.h"

namespace keelson::kubelet::node {
namespace {

// A machine as a tree of files.
struct MachineFactsTest : testing::Test {
  TempDir host;
  void write(const std::string& path, const std::string& text) {
    const std::filesystem::path full = host.path() + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }
  void SetUp() override {
    write("/proc/sys/kernel/random/boot_id", "boot-1\n");
    write("/proc/meminfo", "MemTotal:       16314680 kB\nMemFree: 1 kB\nSwapTotal:       0 kB\n");
  }
  Result<MachineFacts> read() { return readMachineFacts(host.path(), host.path()); }
};

TEST_F(MachineFactsTest, AreReadFromTheFilesOfTheMachine) {
  write("/etc/machine-id", "abc\n");
  write("/sys/class/dmi/id/product_uuid", "UUID-1\n");
  write("/etc/os-release", "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");
  write("/proc/meminfo", "MemTotal:       2048 kB\nSwapTotal:       1024 kB\n");
  write("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "3\n");
  write("/proc/sys/kernel/pid_max", "4194304\n");
  write("/proc/sys/kernel/threads-max", "1000\n");
  const auto facts = read();
  ASSERT_TRUE(facts) << facts.error().text;
  EXPECT_EQ(facts->machine_id, "abc");
  EXPECT_EQ(facts->system_uuid, "UUID-1");
  EXPECT_EQ(facts->boot_id, "boot-1");
  EXPECT_EQ(facts->os_image, "Debian GNU/Linux 12 (bookworm)");
  EXPECT_EQ(facts->memory.value, 2048 * 1024);
  EXPECT_EQ(facts->swap, Bytes{1024 * 1024});
  EXPECT_EQ(facts->hugepages, (std::map<int64_t, Bytes>{{2 << 20, Bytes{6 << 20}}}));
  EXPECT_EQ(facts->pids, 1000);
  EXPECT_GT(facts->cpus, 0);
  EXPECT_GT(facts->root_filesystem.value, 0);
  EXPECT_FALSE(facts->kernel_version.empty());
}

TEST_F(MachineFactsTest, LackWhatTheMachineHasNot) {
  write("/var/lib/dbus/machine-id", "from-dbus\n");
  const auto facts = read();
  ASSERT_TRUE(facts) << facts.error().text;
  EXPECT_EQ(facts->machine_id, "from-dbus");
  EXPECT_EQ(facts->system_uuid, "from-dbus");
  EXPECT_FALSE(facts->swap);
  EXPECT_TRUE(facts->hugepages.empty());
}

TEST_F(MachineFactsTest, AreAnErrorWithoutMemoryOrBootId) {
  write("/proc/meminfo", "nonsense\n");
  EXPECT_FALSE(read());
  SetUp();
  write("/proc/sys/kernel/random/boot_id", "\n");
  EXPECT_FALSE(read());
}

TEST(MachineFacts, OfThisMachineCanBeRead) {
  const auto facts = readMachineFacts("/");
  ASSERT_TRUE(facts) << facts.error().text;
  EXPECT_GT(facts->memory.value, 0);
}

TEST(PrettyName, IsUnquoted) {
  EXPECT_EQ(prettyName("PRETTY_NAME=Alpine\n"), "Alpine");
  EXPECT_EQ(prettyName("PRETTY_NAME='A B'"), "A B");
  EXPECT_EQ(prettyName("PRETTY_NAME=\"A \\\"B\\\"\""), "A \"B\"");
  EXPECT_EQ(prettyName("XPRETTY_NAME=no\n"), "");
}

TEST(GoArchitecture, NamesTheKernelsMachines) {
  EXPECT_EQ(goArchitecture("x86_64"), "amd64");
  EXPECT_EQ(goArchitecture("aarch64"), "arm64");
  EXPECT_EQ(goArchitecture("loongarch64"), "loongarch64");
}

TEST_F(MachineFactsTest, StartFactsTellSwapAndSysctls) {
  write("/proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n");
  write("/proc/sys/vm/overcommit_memory", "0\n");
  const auto facts = readStartFacts(true, host.path());
  ASSERT_TRUE(facts) << facts.error().text;
  EXPECT_TRUE(facts->swap_on);
  EXPECT_TRUE(facts->cgroup_v1);
  EXPECT_EQ(facts->sysctls, (std::map<std::string, std::string>{{"vm.overcommit_memory", "0"}}));
  EXPECT_TRUE(setSysctls({{"vm.overcommit_memory", "1"}}, host.path()));
  EXPECT_EQ(readStartFacts(true, host.path())->sysctls.at("vm.overcommit_memory")[0], '1');
  EXPECT_FALSE(setSysctls({{"vm.absent", "1"}}, host.path()));
}

}  // namespace
}  // namespace keelson::kubelet::node
