// A container of a pod spec and its image, as the plan message.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/pod.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/units.h"
#include "runtime/images/image.h"
#include "runtime/plan.h"

namespace keelson::runtime {

// Everything that decides a container's plan besides its user (users.h), which needs the root.
struct ContainerPlanInput {
  const api::Pod& pod;
  const api::Container& container;
  const ImageConfig& image;
  ContainerId id;
  uint32_t attempt = 0;
  // The container's variables as Kubernetes resolves them (service links, envFrom, env), values expanded. In
  // order; a later one of the same name wins.
  std::vector<std::pair<std::string, std::string>> env;
  std::string hostname;                          // of the pod, or the node's with hostNetwork
  Bytes node_memory;                             // for oom_score_adj
  int cpus = 0;                                  // of this node, for the masked thermal_throttle paths
  bool seccomp_default = false;                  // KubeletConfiguration.seccompDefault
  std::optional<std::string> localhost_seccomp;  // text of the Localhost profile that seccompProfile() names
  std::vector<RlimitPlan> rlimits;               // empty: those of the service
  std::string target_container_id;               // ephemeral containers
};

// The plan without mounts, groups and user; the devices every container has are made by its init, those
// of the host for a privileged one are added when it starts. Errors are the container's own fault:
// kInvalidArgument with containerd's or kubelet's words ("no command specified", "unknown capability \"X\" to
// add"). Arguments, in Kubernetes' order: command replaces ENTRYPOINT and drops CMD, args replaces CMD.
Result<ContainerPlan> buildContainerPlan(const ContainerPlanInput& input);

// Which seccomp profile holds for the container: its own, the pod's, or the default. SEC-08.
struct SeccompChoice {
  enum class Kind { kUnconfined, kRuntimeDefault, kLocalhost };
  Kind kind = Kind::kUnconfined;
  std::string localhost_profile;  // relative to <root-dir>/seccomp
};
SeccompChoice seccompProfile(const api::Pod& pod, const api::Container& container, bool seccomp_default);

// SEC-11. Empty for privileged containers and procMount Unmasked.
std::vector<std::string> maskedPaths(const api::Container& container, int cpus);
std::vector<std::string> readOnlyPaths(const api::Container& container);

// The capabilities of `container`: the default set with add and drop, all for privileged. CRT-01, SEC-05.
Result<uint64_t> containerCapabilities(const api::Container& container);

inline constexpr char kDefaultPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

}  // namespace keelson::runtime
