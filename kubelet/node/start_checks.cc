#include "kubelet/node/start_checks.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/fs.h"

namespace keelson::kubelet::node {
namespace {

// BEHAVIOUR.md NODE-23: the machine must neither run out of keys nor hide a kernel fault.
constexpr std::array<std::pair<const char*, const char*>, 6> kExpected{{
    {"vm.overcommit_memory", "1"},
    {"vm.panic_on_oom", "0"},
    {"kernel.panic", "10"},
    {"kernel.panic_on_oops", "1"},
    {"kernel.keys.root_maxkeys", "1000000"},
    {"kernel.keys.root_maxbytes", "25000000"},
}};
constexpr size_t kMaxFile = size_t{64} << 10;

std::string pathOf(const std::string& host, std::string name) {
  std::replace(name.begin(), name.end(), '.', '/');
  return host + "/proc/sys/" + name;
}

}  // namespace

StartPlan planStart(const StartSettings& settings, const StartFacts& facts) {
  StartPlan plan;
  if (facts.swap_on && settings.fail_swap_on)
    plan.problems.emplace_back(
        "running with swap on is not supported, please disable swap or set failSwapOn: false");
  if (facts.cgroup_v1) {
    if (settings.fail_cgroup_v1)
      plan.problems.emplace_back(
          "this machine uses cgroup v1: move it to cgroup v2 or set failCgroupV1: false");
    else
      plan.events.push_back({"Warning", "CgroupV1",
                             "cgroup v1 support is in maintenance mode, please migrate to "
                             "cgroup v2"});
  }
  for (const auto& [name, wanted] : kExpected) {
    const auto found = facts.sysctls.find(name);
    if (found == facts.sysctls.end() || found->second == wanted) continue;
    if (settings.protect_kernel_defaults)
      plan.problems.push_back(fmt::format("invalid kernel flag: {}, expected value: {}, actual value: {}",
                                          name, wanted, found->second));
    else
      plan.set_sysctls[name] = wanted;
  }
  return plan;
}

Result<StartFacts> readStartFacts(bool cgroup_v1, const std::string& host) {
  StartFacts facts;
  facts.cgroup_v1 = cgroup_v1;
  const auto swaps = readFile(host + "/proc/swaps", kMaxFile);  // absent: a kernel without swap
  if (!swaps && swaps.error().code != Code::kNotFound) return swaps.error();
  if (swaps.ok())
    facts.swap_on = std::count(swaps->begin(), swaps->end(), '\n') > 1;  // a heading, then one a line
  for (const auto& [name, wanted] : kExpected) {
    auto text = readFile(pathOf(host, name), kMaxFile);
    if (!text) continue;
    text->erase(text->find_last_not_of(" \t\n") + 1);
    facts.sysctls[name] = *text;
  }
  return facts;
}

Result<void> setSysctls(const std::map<std::string, std::string>& values, const std::string& host) {
  ErrorList errors;
  for (const auto& [name, value] : values) {
    const UniqueFd file(::open(pathOf(host, name).c_str(), O_WRONLY | O_CLOEXEC));
    if (!file)
      errors.add(sysError("set {}={}", name, value));
    else if (auto written = writeAll(file.get(), value); !written)
      errors.add(std::move(written).error().withContext(fmt::format("set {}={}", name, value)));
  }
  return errors.result();
}

}  // namespace keelson::kubelet::node
