// Actions on single containers.
#include "base/log.h"
#include "kubelet/pod_actions.h"
#include "kubelet/pod_history.h"
#include "kubelet/pod_volumes.h"
#include "kubelet/restart.h"
#include "kubelet/start_container.h"
#include "kubelet/termination_message.h"
#include "kubelet/text.h"
#include "runtime/stop_signal.h"

namespace keelson::kubelet {
namespace {

// The exit code of a container whose process never came to be, as containerd reports it.
constexpr int32_t kStartErrorExit = 128;

// A bad command, user or mount of the container, by runtime::Runtime::startContainer.
bool isContainersFault(Code code) { return code == Code::kInvalidArgument || code == Code::kNotFound; }

void noteStartFailure(PodState& state, const std::string& container, const std::string& reason,
                      const std::string& message, WallTime now) {
  const auto known = state.start_failures.find(container);
  const StepFailure* before = known == state.start_failures.end() ? nullptr : &known->second;
  state.start_failures[container] = stepFailure(before, reason, message, now);
}

}  // namespace

Result<void> PodActions::act(const OpenMounts& action) {
  const api::Container* container = state_.container(action.container);
  if (container == nullptr) return makeError(Code::kNotFound, "no container {}", action.container);
  const auto resolved =
      resolveEnv(*state_.pod, *container, downwardFacts(state_, *context_), podObjects(state_, *context_));
  if (!resolved) {
    const StartError failed = configError(state_, action.container, resolved.error());
    return startFailed(action.container, failed.reason, failed.message);
  }
  auto requests = hostPathMounts(*state_.pod, *container, resolved->env);
  if (!requests) return startFailed(action.container, "CreateContainerConfigError", requests.error().text);
  state_.mounts[action.container].state = StepState::kWorking;
  const auto context = context_;
  context->deps.volumes.post([context, name = action.container, requests = std::move(*requests),
                              resume = resume_] {
    Stop deadline(kHostPathDeadline);
    auto opened =
        std::make_shared<Result<OpenedMounts>>(openHostPaths(requests, context->deps.host_paths, deadline));
    resume([context, name, opened](PodState& state) {
      if (*opened) {
        state.mounts[name] = {StepState::kReady, std::move(opened->value())};
        return;
      }
      state.mounts.erase(name);
      const std::string& text = opened->error().text;
      const bool own_fault = opened->error().code == Code::kInvalidArgument;
      const WallTime now = context->deps.clock.wall();
      noteStartFailure(state, name, own_fault ? "CreateContainerConfigError" : "ContainerCreating", text,
                       now);
      state.event("Warning", "FailedMount", text, name, now);
      LOG_WARN("pod {}: host paths of container {}: {}", api::podFullName(*state.pod), name, text);
    });
  });
  return {};
}

Error PodActions::startFailed(const std::string& container, const std::string& reason,
                              const std::string& message) {
  noteStartFailure(state_, container, reason, message, now());
  if (reason != kStillCreating) state_.event("Warning", "Failed", "Error: " + message, container, now());
  return makeError(Code::kFailedPrecondition, "{}: {}", reason, message);
}

InstanceRecord& PodActions::noteInstance(const api::Container& container, const runtime::Image& image,
                                         const ContainerId& id, uint32_t attempt, WallTime started_at) {
  state_.start_failures.erase(container.name);
  state_.images.erase(container.name);
  ContainerRecord& known = state_.record.containers[container.name];
  if (known.current && known.current->exit) {
    const WallTime finished = known.current->exit->finished_at.value_or(now());
    const bool same_image = known.current->image == container.image;
    known.backoff =
        same_image ? afterRestart(context_->policy.restart, known.backoff, finished, now()) : Backoff{};
  }
  if (known.current) known.previous = std::move(known.current);
  InstanceRecord instance;
  instance.id = id;
  instance.attempt = attempt;
  instance.sandbox_attempt = state_.observed.sandbox_attempt;
  instance.image = container.image;
  instance.image_id = reportedImageId(image);
  instance.stop_signal = runtime::stopSignal(container.lifecycle ? container.lifecycle->stop_signal : "",
                                             image.config.stop_signal);
  instance.started_at = started_at;
  known.current = std::move(instance);
  known.next_attempt = attempt + 1;
  return *known.current;
}

// What cannot be started by its own fault counts as an instance that ended at once: restart policy and
// back-off apply, as Kubernetes has it.
Error PodActions::neverStarted(const api::Container& container, InstanceRecord& instance,
                               const std::string& message) {
  api::ContainerStateTerminated exit;
  exit.exit_code = kStartErrorExit;
  exit.reason = "StartError";
  exit.message = cleanText(message, kMaxTerminationMessage);
  exit.started_at = instance.started_at;
  exit.finished_at = now();
  exit.container_id = containerIdText(instance.id);
  instance.exit = std::move(exit);
  save();
  state_.event("Warning", "Failed", "Error: " + message, container.name, now());
  return makeError(Code::kFailedPrecondition, "{}", message);
}

Result<void> PodActions::act(const StartContainer& action) {
  const api::Container* container = state_.container(action.container);
  if (container == nullptr) return makeError(Code::kNotFound, "no container {}", action.container);
  auto image = imageToStart(state_, *context_, *container);
  if (!image) return startFailed(action.container, "CreateContainerError", image.error().text);
  const bool fetched = state_.images[action.container].pulled_for == action.attempt;
  if (!fetched) {
    state_.event("Normal", "Pulled",
                 fmt::format("Container image \"{}\" already present on machine", container->image),
                 action.container, now());
  }
  Stop stop = callStop();
  auto built = buildStart(state_, *context_, *container, action.attempt, *image, stop);
  if (const auto* error = std::get_if<StartError>(&built)) {
    return startFailed(action.container, error->reason, error->message);
  }
  auto& request = std::get<runtime::ContainerRequest>(built);
  const ContainerId id(request.plan.id);
  const bool must_be_non_root = request.must_be_non_root;
  const auto started = context_->deps.runtime.startContainer(state_.uid, std::move(request), stop);
  if (!started) {
    const Error& error = started.error();
    if (isContainersFault(error.code)) {
      return neverStarted(*container, noteInstance(*container, **image, id, action.attempt, now()),
                          error.text);
    }
    if (error.code == Code::kFailedPrecondition && must_be_non_root) {
      return startFailed(
          action.container, "CreateContainerConfigError",
          fmt::format("{} (pod: \"{}_{}({})\", container: {})", error.text, state_.pod->metadata.name,
                      state_.pod->metadata.namespace_, state_.uid.str(), action.container));
    }
    return startFailed(action.container, "CreateContainerError", error.text);
  }
  noteInstance(*container, **image, id, action.attempt, started->started_at);
  save();

  const auto linked =
      context_->logs.ensureLink(state_.owner(), action.container, started->id, action.attempt);
  if (!linked) LOG_WARN("pod {}: {}", api::podFullName(*state_.pod), linked.error().text);
  state_.event("Normal", "Created", "Container created", action.container, now());
  if (!started->started) {
    state_.event("Warning", "Failed", "Error: " + started->error, action.container, now());
    return makeError(Code::kFailedPrecondition, "{}", started->error);
  }
  state_.event("Normal", "Started", "Container started", action.container, now());
  return {};
}

InstanceRecord* PodActions::findInstance(const ContainerId& id) {
  for (auto& [name, container] : state_.record.containers) {
    if (container.current && container.current->id == id) return &*container.current;
  }
  return nullptr;
}

Result<void> PodActions::tellStop(const std::string& container, const ContainerId& id, int signal,
                                  Duration grace) {
  Stop stop = callStop();
  auto told = context_->deps.runtime.stopContainer(state_.uid, id, signal, grace, stop);
  if (!told) {
    podFailed("FailedKillPod",
              fmt::format("error killing pod: stop container {}: {}", container, told.error().text));
  }
  return told;
}

// The hook itself is run by whoever reads the record: PodWorker::tellHooks().
Result<void> PodActions::act(const RunHook& action) {
  InstanceRecord* instance = findInstance(action.id);
  if (instance == nullptr) return makeError(Code::kNotFound, "no instance {}", action.id.str());
  const bool stops = action.kind == HookKind::kPreStop;
  if (stops) {
    if (!action.why.empty()) state_.event("Normal", "Killing", action.why, action.container, now());
    // The signal is due at `until` at the latest and has its own least time after that.
    TRY(tellStop(action.container, action.id, 0, *action.until - now() + kMinGrace));
    instance->stop_by = action.until;
  }
  HookRecord& hook = stops ? instance->pre_stop : instance->post_start;
  if (!hook.begun) hook.begun = now();
  hook.phase = HookPhase::kBegun;
  save();
  return {};
}

Result<void> PodActions::act(const StopContainer& action) {
  if (!action.why.empty()) state_.event("Normal", "Killing", action.why, action.container, now());
  TRY(tellStop(action.container, action.id, action.signal, action.grace));
  if (InstanceRecord* instance = findInstance(action.id)) instance->kill_at = now() + action.grace;
  return {};
}

Result<void> PodActions::act(const RemoveContainer& action) {
  save();  // its end must be known before the runtime forgets it
  Stop stop = callStop();
  TRY(context_->deps.runtime.removeContainer(state_.uid, action.id, stop));
  return context_->logs.removeInstance(state_.owner(), action.container, action.id, action.attempt);
}

}  // namespace keelson::kubelet
