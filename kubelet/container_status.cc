#include "kubelet/container_status.h"

#include "kubelet/container_steps.h"
#include "kubelet/container_stop.h"
#include "kubelet/image_wait.h"
#include "kubelet/pod_history.h"
#include "kubelet/text.h"

namespace keelson::kubelet {
namespace {

std::string podText(const api::Pod& pod) {
  return fmt::format("{}_{}({})", pod.metadata.name, pod.metadata.namespace_, pod.metadata.uid);
}

// The reasons that hold up a start although sandbox and volumes may be there.
std::optional<api::ContainerStateWaiting> heldUp(const StatusInput& in, const api::Container& container) {
  const auto image = in.observed.images.find(container.name);
  const auto pull = in.record.pulls.find(container.image);
  if (image != in.observed.images.end()) {
    const PullFailure* failure = pull == in.record.pulls.end() ? nullptr : &pull->second;
    if (auto wait = imageWait(container, image->second, failure, in.now)) return wait;
  }
  const auto failure = in.observed.start_failures.find(container.name);
  if (failure == in.observed.start_failures.end()) return std::nullopt;
  return api::ContainerStateWaiting{failure->second.reason, failure->second.message};
}

// Nothing has been said of it yet.
api::ContainerStateWaiting stillComing(const StatusInput& in) {
  return {in.pod.spec.init_containers.empty() ? "ContainerCreating" : "PodInitializing", ""};
}

void running(const StatusInput& in, const api::Container& container, const InstanceRecord& instance,
             ContainerKind kind, api::ContainerStatus& status) {
  const bool pod_ends = in.record.ending || in.record.deletion;
  const bool hook_failed = instance.post_start.phase == HookPhase::kFailed;
  // It counts as running only once its postStart hook has ended well.
  if (!pod_ends && hook_failed) {
    status.state.waiting = {"PostStartHookError", instance.post_start.message};
    return;
  }
  if (!pod_ends && awaitsPostStart(container, instance)) {
    status.state.waiting = stillComing(in);
    return;
  }
  status.state.running = api::ContainerStateRunning{instance.started_at};
  const bool started = isStarted(container, instance);
  status.started = started;
  // A regular init container is ready once it has succeeded, not while it runs.
  if (kind != ContainerKind::kInit) {
    status.ready = started && (!container.readiness_probe || instance.ready.value_or(false));
  }
}

void ended(const StatusInput& in, const api::Container& container, const ContainerRecord& known,
           ContainerKind kind, api::ContainerStatus& status) {
  const InstanceRecord& instance = *known.current;
  const bool pod_ends = in.record.ending || in.record.deletion;
  const bool restarts = !pod_ends && (kubelet::restarts(in.pod.spec, container, kind, instance) ||
                                      instance.image != container.image);
  std::optional<api::ContainerStateWaiting> waiting;
  if (restarts) {
    if (const auto wait = restartWait(known, in.restart, in.now)) {
      waiting = {"CrashLoopBackOff", fmt::format("back-off {} restarting failed container={} pod={}",
                                                 goDuration(wait->delay), container.name, podText(in.pod))};
    } else {
      waiting = heldUp(in, container);
      if (!waiting && instance.post_start.phase == HookPhase::kFailed)
        waiting = {"PostStartHookError", instance.post_start.message};
    }
  }
  if (waiting) {
    status.state.waiting = std::move(waiting);
    status.last_state.terminated = instance.exit;
  } else {
    status.state.terminated = instance.exit;
    if (known.previous) status.last_state.terminated = known.previous->exit;
  }
  status.ready = kind == ContainerKind::kInit && instance.exit->exit_code == 0;
  status.started = false;
}

// What the container was given: it stays so as long as the instance is the one that is reported.
void given(const api::Container& container, api::ContainerStatus& status) {
  status.allocated_resources = container.resources.requests;
  status.resources = api::ResourceRequirements{container.resources.limits, container.resources.requests, {}};
  for (const auto& mount : container.volume_mounts) {
    api::VolumeMountStatus made{mount.name, mount.mount_path, mount.read_only, ""};
    if (mount.read_only) {
      const bool recursive =
          mount.recursive_read_only == "Enabled" || mount.recursive_read_only == "IfPossible";
      made.recursive_read_only = recursive ? "Enabled" : "Disabled";
    }
    status.volume_mounts.push_back(std::move(made));
  }
}

}  // namespace

api::ContainerStatus containerStatus(const StatusInput& in, const api::Container& container,
                                     ContainerKind kind) {
  api::ContainerStatus status;
  status.name = container.name;
  status.image = container.image;
  status.started = false;
  const auto found = in.record.containers.find(container.name);
  if (found == in.record.containers.end() || !found->second.current) {
    status.state.waiting = heldUp(in, container);
    if (!status.state.waiting) status.state.waiting = stillComing(in);
    return status;
  }
  const ContainerRecord& known = found->second;
  const InstanceRecord& instance = *known.current;
  status.restart_count = static_cast<int32_t>(instance.attempt);
  status.image = instance.image;
  status.image_id = instance.image_id;
  status.container_id = containerIdText(instance.id);
  given(container, status);
  if (!instance.exit) {
    running(in, container, instance, kind, status);
    if (known.previous) status.last_state.terminated = known.previous->exit;
  } else {
    ended(in, container, known, kind, status);
  }
  return status;
}

}  // namespace keelson::kubelet
