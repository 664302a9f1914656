// Whether this machine is set up as a node must be, before anything starts.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "kubelet/node/node_events.h"

namespace keelson::kubelet::node {

struct StartSettings {
  bool fail_swap_on = true;
  bool fail_cgroup_v1 = true;
  bool protect_kernel_defaults = false;
};

// What the checks look at: swap in use, the cgroup version, and the sysctls that matter by their dotted
// names.
struct StartFacts {
  bool swap_on = false;
  bool cgroup_v1 = false;
  std::map<std::string, std::string> sysctls;
};

// What follows: reasons not to start, events to tell, sysctls to set.
struct StartPlan {
  std::vector<std::string> problems;
  std::vector<NodeEvent> events;
  std::map<std::string, std::string> set_sysctls;
};
StartPlan planStart(const StartSettings& settings, const StartFacts& facts);

// `cgroup_v1` is the caller's knowledge (kernel::CgroupHierarchies). Sysctls that this kernel lacks are left
// out.
Result<StartFacts> readStartFacts(bool cgroup_v1, const std::string& host = "");
// Tries all; the error names those that could not be set.
Result<void> setSysctls(const std::map<std::string, std::string>& values, const std::string& host = "");

}  // namespace keelson::kubelet::node
