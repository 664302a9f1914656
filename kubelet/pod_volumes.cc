#include "kubelet/pod_volumes.h"

#include "base/log.h"
#include "kubelet/object_volumes.h"
#include "kubelet/start_container.h"

namespace keelson::kubelet {
namespace {

// Rewrites one volume; false if that failed and is to be tried again.
bool refresh(PodState& state, const WorkerContext& context, const api::Volume& volume) {
  const WallTime now = context.deps.clock.wall();
  const SteadyTime begun = context.deps.clock.steady();
  Stop stop(kCallDeadline);
  const auto outcome = writeObjectVolume(*state.pod, volume, volumeMaker(state, context), stop);
  const Error* error = outcome ? nullptr : &outcome.error();
  if (outcome && outcome->write == VolumeWrite::kStale && outcome->why.code != Code::kUnavailable)
    error = &outcome->why;
  if (error != nullptr) {
    const std::string message =
        fmt::format("MountVolume.SetUp failed for volume \"{}\" : {}", volume.name, error->text);
    state.event("Warning", "FailedMount", message, "", now);
    LOG_WARN("pod {}: {}", api::podFullName(*state.pod), message);
  }
  if (outcome && outcome->write == VolumeWrite::kWritten) {
    state.step("updated volume " + volume.name, "", context.deps.clock.steady() - begun, now);
    LOG_INFO("pod {}: volume {} is updated", api::podFullName(*state.pod), volume.name);
  }
  return outcome.ok();
}

}  // namespace

PodObjects podObjects(const PodState& state, const WorkerContext& context) {
  return {context.objects.copy(), state.pod->metadata.namespace_, state.source == kApiSource};
}

VolumeMaker volumeMaker(const PodState& state, const WorkerContext& context) {
  return {state.directory,
          context.deps.runtime,
          state.uid,
          context.options.node_memory,
          podObjects(state, context),
          downwardFacts(state, context),
          context.tokens.copy(),
          context.deps.clock.wall()};
}

VolumesMadeOf volumesMadeOf(const PodState& state, const WorkerContext& context) {
  VolumesMadeOf made_of{state.pod, state.objects_seen, {}};
  const auto source = context.tokens.copy();
  if (!source || state.source != kApiSource) return made_of;
  for (const auto* volume : mountedVolumes(*state.pod)) {
    for (const auto& key : tokenKeys(*state.pod, *volume)) {
      auto token = source->get(key);
      made_of.tokens.push_back(token ? std::move(*token) : nullptr);
    }
  }
  return made_of;
}

void takeObjects(PodState& state, const WorkerContext& context) {
  if (state.references_of != state.pod) {
    state.references = objectReferences(*state.pod);
    state.references_of = state.pod;
  }
  const bool is_over = state.record.ending || (state.record.admission && !state.record.admission->admitted);
  std::vector<TokenPtr> tokens = is_over ? state.tokens_seen : volumesMadeOf(state, context).tokens;
  ObjectsSeen seen(podObjects(state, context), state.references);
  if (seen == state.objects_seen && tokens == state.tokens_seen) return;
  state.objects_seen = std::move(seen);
  state.tokens_seen = std::move(tokens);
  std::erase_if(state.start_failures, [](const auto& failure) {
    return failure.second.reason == kStillCreating || failure.second.reason == "CreateContainerConfigError";
  });
  if (!state.pod_failure) return;
  const std::string& reason = state.pod_failure->reason;
  if (reason == "FailedMount" || reason == "FailedCreatePodSandBox") state.pod_failure.reset();
}

void refreshVolumes(PodState& state, const WorkerContext& context) {
  if (state.volumes != StepState::kReady || state.releasing) return;
  if (state.observed.sandbox != runtime::SandboxPhase::kReady) return;
  VolumesMadeOf made_of = volumesMadeOf(state, context);
  if (state.volumes_made_of && *state.volumes_made_of == made_of) return;
  bool well = true;
  for (const auto* volume : mountedVolumes(*state.pod)) {
    if (isObjectVolume(*volume) && isServed(*volume)) well = refresh(state, context, *volume) && well;
  }
  state.volumes_made_of.reset();
  if (well) state.volumes_made_of = std::move(made_of);
}

}  // namespace keelson::kubelet
