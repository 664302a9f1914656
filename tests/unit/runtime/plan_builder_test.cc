#include "runtime/plan_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernel/caps.h"
#include "tests/unit/runtime/pod_fixture.h"

namespace keelson::runtime {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

using Texts = std::vector<std::string>;

struct World {
  api::Pod pod = podOf({container("web")});
  ImageConfig image;
  std::vector<std::pair<std::string, std::string>> env;

  api::Container& web() { return pod.spec.containers[0]; }
  api::SecurityContext& security() {
    if (!web().security_context) web().security_context.emplace();
    return *web().security_context;
  }
  ContainerPlanInput input() {
    ContainerPlanInput input{pod, web(), image, ContainerId(std::string(64, 'a')), 3, env, "host1"};
    input.node_memory = Bytes{int64_t{8} << 30};
    input.cpus = 2;
    return input;
  }
  Result<ContainerPlan> plan() { return buildContainerPlan(input()); }
};

TEST(BuildContainerPlan, CommandAndArgsReplaceEntrypointAndCmdAsKubernetesDoes) {
  const struct {
    const char* what;
    Texts entrypoint, cmd, command, args, want;
  } cases[] = {
      {"image alone", {"/ep"}, {"c"}, {}, {}, {"/ep", "c"}},
      {"command drops both", {"/ep"}, {"c"}, {"/run"}, {}, {"/run"}},
      {"args replace cmd", {"/ep"}, {"c"}, {}, {"a"}, {"/ep", "a"}},
      {"command and args", {"/ep"}, {"c"}, {"/run"}, {"a"}, {"/run", "a"}},
      {"no entrypoint", {}, {"sh"}, {}, {}, {"sh"}},
      {"blank entrypoint", {""}, {"sh"}, {}, {}, {"sh"}},
  };
  for (const auto& c : cases) {
    World world;
    world.image.entrypoint = c.entrypoint;
    world.image.cmd = c.cmd;
    world.web().command = c.command;
    world.web().args = c.args;
    const auto plan = world.plan();
    ASSERT_TRUE(plan) << c.what;
    EXPECT_EQ(plan->process.args, c.want) << c.what;
  }
}

TEST(BuildContainerPlan, WithoutAnyCommandFailsInContainerdsWords) {
  World world;
  const auto plan = world.plan();
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, Code::kInvalidArgument);
  EXPECT_EQ(plan.error().text, "no command specified");
}

TEST(BuildContainerPlan, ExpandsThePodsVariablesInItsOwnWordsOnly) {
  World world;
  world.image.cmd = {"$(A)"};
  world.image.env = {"B=image"};
  world.env = {{"A", "1"}};
  EXPECT_THAT(world.plan()->process.args, ElementsAre("$(A)"));
  world.web().command = {"/run", "$(A)", "$(B)", "$$(A)"};
  EXPECT_THAT(world.plan()->process.args, ElementsAre("/run", "1", "$(B)", "$(A)"));
}

TEST(BuildContainerPlan, EnvironmentLayersFromDefaultsOverImageToPod) {
  World world;
  world.image.cmd = {"x"};
  world.image.env = {"PATH=/img", "LANG=C", "X=image", "=bad", "bad", "EMPTY="};
  world.env = {{"X", "pod"}, {"Y", "1"}, {"Y", "2"}};
  EXPECT_THAT(world.plan()->process.env,
              ElementsAre("PATH=/img", "HOSTNAME=host1", "LANG=C", "X=pod", "EMPTY=", "Y=2"));
  world.image.env.clear();
  world.env.clear();
  world.web().tty = true;
  EXPECT_THAT(world.plan()->process.env,
              ElementsAre(std::string("PATH=") + kDefaultPath, "HOSTNAME=host1", "TERM=xterm"));
}

TEST(BuildContainerPlan, WorkingDirectoryIsThePodsElseTheImagesElseTheRoot) {
  World world;
  world.image.cmd = {"x"};
  EXPECT_EQ(world.plan()->process.cwd, "/");
  world.image.working_dir = "/srv";
  EXPECT_EQ(world.plan()->process.cwd, "/srv");
  world.web().working_dir = "/data";
  EXPECT_EQ(world.plan()->process.cwd, "/data");
}

TEST(BuildContainerPlan, CarriesIdentityAndStreams) {
  World world;
  world.image.cmd = {"x"};
  world.web().stdin_once = true;
  auto plan = world.plan();
  EXPECT_EQ(plan->id, std::string(64, 'a'));
  EXPECT_EQ(plan->name, "web");
  EXPECT_EQ(plan->attempt, 3u);
  EXPECT_EQ(plan->log_name, "3.log");
  EXPECT_FALSE(plan->has_stdin);
  EXPECT_FALSE(plan->stdin_once) << "stdinOnce means nothing without stdin";
  world.web().stdin = true;
  plan = world.plan();
  EXPECT_TRUE(plan->has_stdin);
  EXPECT_TRUE(plan->stdin_once);
  EXPECT_EQ(plan->process.oom_score_adj, 1000);
}

TEST(BuildContainerPlan, SecurityContextDecidesPrivilegesAndPaths) {
  World world;
  world.image.cmd = {"x"};
  auto plan = world.plan();
  EXPECT_EQ(plan->process.capabilities, kernel::kDefaultCapabilities);
  EXPECT_FALSE(plan->process.no_new_privileges);
  EXPECT_FALSE(plan->read_only_root);
  EXPECT_TRUE(plan->process.seccomp_bpf.empty()) << "unset is Unconfined";
  EXPECT_THAT(plan->masked_paths, Contains("/proc/kcore"));
  EXPECT_THAT(plan->masked_paths, Contains("/proc/interrupts"));
  EXPECT_THAT(plan->masked_paths, Contains("/sys/devices/system/cpu/cpu1/thermal_throttle"));
  EXPECT_THAT(plan->masked_paths, Not(Contains("/sys/devices/system/cpu/cpu2/thermal_throttle")));
  EXPECT_THAT(plan->read_only_paths,
              ElementsAre("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"));

  world.security().allow_privilege_escalation = false;
  world.security().read_only_root_filesystem = true;
  world.security().proc_mount = "Unmasked";
  plan = world.plan();
  EXPECT_TRUE(plan->process.no_new_privileges);
  EXPECT_TRUE(plan->read_only_root);
  EXPECT_TRUE(plan->masked_paths.empty());
  EXPECT_TRUE(plan->read_only_paths.empty());

  world.security() = {};
  world.security().privileged = true;
  world.security().seccomp_profile = api::SecurityProfile{"RuntimeDefault", ""};
  plan = world.plan();
  EXPECT_TRUE(plan->privileged);
  EXPECT_EQ(plan->process.capabilities, kernel::allCapabilities());
  EXPECT_TRUE(plan->masked_paths.empty());
  EXPECT_TRUE(plan->process.seccomp_bpf.empty()) << "privileged is unconfined whatever the profile says";
}

TEST(ContainerCapabilities, AddAndDropInContainerdsOrder) {
  const auto bit = [](const char* name) { return kernel::capabilityBits(name).value(); };
  const uint64_t base = kernel::kDefaultCapabilities;
  const struct {
    const char* what;
    Texts add, drop;
    uint64_t want;
  } cases[] = {
      {"nothing", {}, {}, base},
      {"add", {"NET_ADMIN"}, {}, base | bit("NET_ADMIN")},
      {"add with prefix", {"CAP_SYS_TIME"}, {}, base | bit("SYS_TIME")},
      {"drop", {}, {"CHOWN"}, base & ~bit("CHOWN")},
      {"drop all", {}, {"ALL"}, 0},
      {"drop all, add one", {"NET_BIND_SERVICE"}, {"ALL"}, bit("NET_BIND_SERVICE")},
      {"add all", {"ALL"}, {}, kernel::allCapabilities()},
      {"add all, drop one", {"ALL"}, {"KILL"}, kernel::allCapabilities() & ~bit("KILL")},
  };
  for (const auto& c : cases) {
    World world;
    world.security().capabilities = api::Capabilities{c.add, c.drop};
    EXPECT_EQ(containerCapabilities(world.web()).valueOr(~0ull), c.want) << c.what;
  }
}

TEST(ContainerCapabilities, UnknownNamesAreRefused) {
  World world;
  world.image.cmd = {"x"};
  world.security().capabilities = api::Capabilities{{"FLY"}, {}};
  EXPECT_THAT(world.plan().error().text, HasSubstr("unknown capability \"FLY\" to add"));
  world.security().capabilities = api::Capabilities{{}, {"FLY"}};
  EXPECT_THAT(world.plan().error().text, HasSubstr("unknown capability \"FLY\" to drop"));
}

TEST(SeccompProfile, ContainerWinsOverPodWinsOverDefault) {
  using Kind = SeccompChoice::Kind;
  World world;
  EXPECT_EQ(seccompProfile(world.pod, world.web(), false).kind, Kind::kUnconfined);
  EXPECT_EQ(seccompProfile(world.pod, world.web(), true).kind, Kind::kRuntimeDefault);
  world.pod.spec.security_context.seccomp_profile = api::SecurityProfile{"Unconfined", ""};
  EXPECT_EQ(seccompProfile(world.pod, world.web(), true).kind, Kind::kUnconfined);
  world.security().seccomp_profile = api::SecurityProfile{"Localhost", "p.json"};
  const auto choice = seccompProfile(world.pod, world.web(), true);
  EXPECT_EQ(choice.kind, Kind::kLocalhost);
  EXPECT_EQ(choice.localhost_profile, "p.json");
}

TEST(SeccompProfile, BecomesAProgramInThePlan) {
  World world;
  world.image.cmd = {"x"};
  world.security().seccomp_profile = api::SecurityProfile{"RuntimeDefault", ""};
  const auto plan = world.plan();
  ASSERT_TRUE(plan) << plan.error().text;
  EXPECT_FALSE(plan->process.seccomp_bpf.empty());
  world.security().seccomp_profile = api::SecurityProfile{"Localhost", "gone.json"};
  EXPECT_THAT(world.plan().error().text, HasSubstr("gone.json"));
}

}  // namespace
}  // namespace keelson::runtime
