#include "kubelet/pod_actions.h"

#include "base/log.h"
#include "kubelet/admission.h"
#include "kubelet/pod_files.h"
#include "kubelet/pod_volumes.h"

namespace keelson::kubelet {
namespace {

// The rest of a plan rests on these.
bool isFoundation(const Action& action) {
  return std::holds_alternative<MakeSandbox>(action) || std::holds_alternative<AttachNetwork>(action) ||
         std::holds_alternative<PrepareVolumes>(action) || std::holds_alternative<TearDown>(action);
}

std::vector<cni::PortMapping> portMappings(const api::PodSpec& spec) {
  std::vector<cni::PortMapping> ports;
  for (const auto* list : {&spec.init_containers, &spec.containers}) {
    for (const auto& container : *list) {
      for (const auto& port : container.ports) {
        if (port.host_port == 0) continue;
        ports.push_back({port.protocol, static_cast<uint16_t>(port.host_port),
                         static_cast<uint16_t>(port.container_port), port.host_ip});
      }
    }
  }
  return ports;
}

// What is only not known yet is told as an event when it does not come within the first retry.
void noteVolumeFailure(PodState& state, const VolumeError& error, WallTime now) {
  const std::string message =
      fmt::format("MountVolume.SetUp failed for volume \"{}\" : {}", error.volume, error.error.text);
  const StepFailure* before = state.pod_failure ? &*state.pod_failure : nullptr;
  const bool is_told = error.error.code != Code::kUnavailable || before != nullptr;
  state.pod_failure = stepFailure(before, "FailedMount", message, now);
  if (is_told) state.event("Warning", "FailedMount", message, "", now);
}

}  // namespace

PodActions::Outcome PodActions::run(const Action& action) {
  const SteadyTime begun = context_->deps.clock.steady();
  const Result<void> done = std::visit([this](const auto& one) { return act(one); }, action);
  const Duration took = context_->deps.clock.steady() - begun;
  const std::string name = renderAction(action);
  state_.step(name, done ? "" : done.error().text, took, now());
  if (done) {
    LOG_DEBUG("pod {}: {}", api::podFullName(*state_.pod), name);
    return Outcome::kDone;
  }
  LOG_WARN("pod {}: {}: {}", api::podFullName(*state_.pod), name, done.error().text);
  return isFoundation(action) ? Outcome::kStopPlan : Outcome::kFailed;
}

void PodActions::save() {
  if (state_.gone || state_.releasing || !state_.directory.valid()) return;
  if (!saved_ || *saved_ != state_.record) {
    const auto written = state_.directory.writeRecord(state_.record);
    if (written) {
      saved_ = state_.record;
    } else {
      LOG_ERROR("pod {}: save record: {}", api::podFullName(*state_.pod), written.error().text);
    }
  }
  if (saved_pod_ != state_.pod) {
    const auto written = state_.directory.writeAllocated(*state_.pod);
    if (written) {
      saved_pod_ = state_.pod;
    } else {
      LOG_ERROR("pod {}: save spec: {}", api::podFullName(*state_.pod), written.error().text);
    }
  }
}

void PodActions::podFailed(const std::string& reason, const std::string& message) {
  const StepFailure* before = state_.pod_failure ? &*state_.pod_failure : nullptr;
  state_.pod_failure = stepFailure(before, reason, message, now());
  state_.event("Warning", reason, message, "", now());
}

Result<void> PodActions::act(const RequestImage& action) {
  requestImage(state_, context_, action.container, action.image, resume_);
  return {};
}

// ---- sandbox and network ----

Result<runtime::SandboxRequest> PodActions::sandboxRequest(uint32_t attempt) const {
  const api::PodSpec& spec = state_.pod->spec;
  if (!spec.host_users.value_or(true)) {
    return makeError(Code::kUnsupported, "hostUsers: false is not served by this node");
  }
  if (!spec.runtime_class_name.empty()) {
    const auto found = podObjects(state_, *context_).runtimeClass(spec.runtime_class_name);
    if (found.knowledge == Knowledge::kUnknown) {
      return makeError(Code::kUnavailable, "failed to lookup RuntimeClass {}: it is not known yet",
                       spec.runtime_class_name);
    }
    if (found.knowledge == Knowledge::kAbsent) {
      return makeError(Code::kNotFound, "failed to lookup RuntimeClass {}", spec.runtime_class_name);
    }
    if (!found.object->handler.empty() && found.object->handler != "keelson") {
      return makeError(Code::kUnsupported, "RuntimeClass {}: no runtime for handler \"{}\" is configured",
                       spec.runtime_class_name, found.object->handler);
    }
  }
  runtime::SandboxRequest request;
  runtime::SandboxPlan& plan = request.plan;
  plan.uid = state_.uid.str();
  plan.pod_namespace = state_.pod->metadata.namespace_;
  plan.pod_name = state_.pod->metadata.name;
  const PodHostname hostname = TRY(podHostname(*state_.pod, context_->options.cluster_domain));
  plan.hostname = spec.host_network ? context_->node_hostname : hostname.kernel;
  plan.attempt = attempt;
  plan.namespaces.host_network = spec.host_network;
  plan.namespaces.host_pid = spec.host_pid;
  plan.namespaces.host_ipc = spec.host_ipc;
  plan.namespaces.share_pid = spec.share_process_namespace.value_or(false);
  for (const auto& sysctl : spec.security_context.sysctls) {
    plan.sysctls.push_back({sysctlDots(sysctl.name), sysctl.value});
  }
  plan.log_max_size = context_->options.container_log_max_size;
  plan.log_max_files = context_->options.container_log_max_files;
  request.cgroup = runtime::podCgroup(context_->options.cgroups, *state_.pod);
  return request;
}

Result<void> PodActions::createSandbox(uint32_t attempt) {
  const runtime::SandboxRequest request = TRY(sandboxRequest(attempt));
  Stop stop = callStop();
  auto made = context_->deps.runtime.createSandbox(request, stop);
  if (!made && made.error().code == Code::kAlreadyExists) {
    // A run folder that status() does not count as a sandbox: clear it, the next try finds nothing.
    Stop clearing = callStop();
    TRY(context_->deps.runtime.destroySandbox(state_.uid, clearing).result());
  }
  return made;
}

Result<void> PodActions::act(const MakeSandbox& action) {
  const auto made = createSandbox(action.attempt);
  if (!made) {
    podFailed("FailedCreatePodSandBox", "Failed to create pod sandbox: " + made.error().text);
    return made.error();
  }
  state_.record.next_sandbox = action.attempt + 1;
  state_.observed.sandbox = runtime::SandboxPhase::kReady;
  state_.observed.sandbox_attempt = action.attempt;
  state_.volumes = StepState::kNone;
  save();
  return {};
}

Result<void> PodActions::attach() {
  if (state_.pod->spec.host_network) {
    state_.record.pod_ips = context_->host_ips;
    return {};
  }
  Stop stop = callStop();
  const UniqueFd netns = TRY(context_->deps.runtime.openNetns(state_.uid, stop));
  const cni::AttachRequest request{state_.uid, api::podFullName(*state_.pod), netns.get(),
                                   portMappings(state_.pod->spec)};
  const auto addresses = TRY(context_->deps.network.attach(request, stop));
  state_.record.pod_ips.clear();
  for (const auto& address : addresses) state_.record.pod_ips.push_back(address.str());
  return {};
}

Result<void> PodActions::act(const AttachNetwork&) {
  const auto attached = attach();
  if (!attached) {
    podFailed("FailedCreatePodSandBox",
              "Failed to create pod sandbox: set up network: " + attached.error().text);
    return attached.error();
  }
  state_.record.attached_sandbox = state_.observed.sandbox_attempt;
  state_.pod_failure.reset();
  save();
  return {};
}

Result<void> PodActions::act(const TearDown& action) {
  if (!action.why.empty()) {
    const bool lost = state_.observed.sandbox != runtime::SandboxPhase::kReady;
    if (lost) {
      state_.event("Normal", "SandboxChanged", action.why, "", now());
    } else {
      state_.event("Warning", "ExceededGracePeriod",
                   "Container runtime did not kill the pod within specified grace period.", "", now());
    }
  }
  save();  // the runtime forgets the ends of the containers now
  Stop stop = callStop();
  ErrorList errors = context_->deps.runtime.destroySandbox(state_.uid, stop);
  const bool destroyed = errors.empty();
  if (destroyed) {
    state_.observed = {};
    state_.volumes = StepState::kNone;
    state_.mounts.clear();
  }
  // Its address is free only once nothing of the pod can use it any more.
  if (destroyed && !state_.pod->spec.host_network)
    errors.add(context_->deps.network.detach(state_.uid, stop));
  const auto result = errors.result();
  if (!result) {
    podFailed("FailedKillPod", "error killing pod: " + result.error().text);
    return result;
  }
  state_.record.attached_sandbox.reset();
  state_.pod_failure.reset();
  return {};
}

Result<void> PodActions::act(const ReleasePod&) {
  if (state_.releasing) return {};
  // Whatever the record says: an attach whose end was never noted must not keep address and host ports.
  if (!state_.pod->spec.host_network) {
    Stop stop = callStop();
    const auto detached = context_->deps.network.detach(state_.uid, stop);
    if (!detached) {
      podFailed("FailedKillPod", "error killing pod: " + detached.error().text);
      return detached;
    }
  }
  save();
  state_.releasing = true;
  context_->deps.volumes.post([context = context_, uid = state_.uid, resume = resume_] {
    // Logs first: as long as the folder is there, the next life of the daemon knows that something is left.
    ErrorList errors = context->logs.removePod(uid);
    errors.add(removePodDirectory(context->options.root_dir, uid));
    resume([context, failed = errors.result()](PodState& state) {
      state.releasing = false;
      if (failed) {
        state.gone = true;
        return;
      }
      const StepFailure* before = state.pod_failure ? &*state.pod_failure : nullptr;
      const WallTime at = context->deps.clock.wall();
      state.pod_failure = stepFailure(before, "FailedKillPod", failed.error().text, at);
      state.event("Warning", "FailedKillPod", "error killing pod: " + failed.error().text, "", at);
      LOG_WARN("pod {}: {}", api::podFullName(*state.pod), failed.error().text);
    });
  });
  return {};
}

// ---- volumes ----

Result<void> PodActions::act(const PrepareVolumes&) {
  state_.volumes_of = state_.observed.sandbox_attempt;
  Stop stop = callStop();
  VolumesMadeOf made_of = volumesMadeOf(state_, *context_);
  EnsuredVolumes ensured = ensureLocalVolumes(*state_.pod, volumeMaker(state_, *context_), stop);
  if (ensured.error) {
    noteVolumeFailure(state_, *ensured.error, now());
    return std::move(ensured.error->error).withContext("volume " + ensured.error->volume);
  }
  state_.volumes_made_of.reset();
  if (!ensured.is_stale) state_.volumes_made_of = std::move(made_of);
  if (!hasHostPaths(*state_.pod)) {
    state_.volumes = StepState::kReady;
    state_.pod_failure.reset();
    return {};
  }
  state_.volumes = StepState::kWorking;
  const uint64_t job = ++state_.volumes_job;
  const auto context = context_;
  context->deps.volumes.post([context, pod = state_.pod, job, resume = resume_] {
    Stop deadline(kHostPathDeadline);
    auto error = checkHostPaths(*pod, context->deps.host_paths, deadline);
    resume([context, job, error = std::move(error)](PodState& state) {
      if (state.volumes_job != job || state.volumes != StepState::kWorking) return;
      state.volumes = error ? StepState::kNone : StepState::kReady;
      if (error) {
        noteVolumeFailure(state, *error, context->deps.clock.wall());
      } else {
        state.pod_failure.reset();
      }
    });
  });
  return {};
}

}  // namespace keelson::kubelet
