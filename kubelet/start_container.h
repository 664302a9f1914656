// Everything a container needs for its start, put together from pod, image and node.
#pragma once

#include <string>

#include "kubelet/container_env.h"
#include "kubelet/pod_state.h"
#include "kubelet/worker_context.h"

namespace keelson::kubelet {

// Why a container cannot start, as its waiting state shows it.
struct StartError {
  std::string reason;  // CreateContainerConfigError, CreateContainerError
  std::string message;
};

// The reason of a container whose start waits for what is not known yet. No event tells of it.
inline constexpr char kStillCreating[] = "ContainerCreating";

// CreateContainerConfigError; but what is only not known yet (kUnavailable) gets the time of the first retry.
StartError configError(const PodState& state, const std::string& container, const Error& error);

// What a container asks for that this node does not serve ("lifecycle.postStart"), "" if nothing. Pure.
std::string unservedFeature(const api::Container& container);

DownwardFacts downwardFacts(const PodState& state, const WorkerContext& context);

// The request for attempt `attempt` under a new id. Files of the pod are written; nothing is started. Strand
// of the pod; short blocking calls.
std::variant<runtime::ContainerRequest, StartError> buildStart(PodState& state, const WorkerContext& context,
                                                               const api::Container& container,
                                                               uint32_t attempt,
                                                               std::shared_ptr<const runtime::Image> image,
                                                               Stop& stop);

}  // namespace keelson::kubelet
