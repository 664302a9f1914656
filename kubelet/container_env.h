// The variables of a container as Kubernetes resolves them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "api/pod.h"
#include "base/result.h"
#include "kubelet/downward_api.h"
#include "kubelet/object_store.h"

namespace keelson::kubelet {

using Env = std::vector<std::pair<std::string, std::string>>;  // each name once

struct ResolvedEnv {
  Env env;
  struct Note {
    std::string reason;  // InvalidEnvironmentVariableNames
    std::string message;
  };
  std::vector<Note> notes;  // Warning events
};

// No process can be given as much (execve(2) takes a quarter of the stack limit at most).
inline constexpr size_t kMaxEnvBytes = size_t{8} << 20;

// envFrom in order (later wins), then env in order, each value expanded with what stands before it and with
// the service variables, then the service variables that nothing else has set. Errors are the words of
// CreateContainerConfigError; sources that this node does not serve are kUnsupported, and kUnavailable is an
// object of which nothing is known yet. Pure.
Result<ResolvedEnv> resolveEnv(const api::Pod& pod, const api::Container& container,
                               const DownwardFacts& facts, const PodObjects& objects);

}  // namespace keelson::kubelet
