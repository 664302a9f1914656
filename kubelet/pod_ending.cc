#include "kubelet/pod_ending.h"

#include <algorithm>

#include "kubelet/container_stop.h"
#include "kubelet/restart.h"

namespace keelson::kubelet {
namespace {

using runtime::ObservedContainer;

// The place in the order of stopping: everything but sidecars first, then sidecars from the last to the
// first.
size_t stopRank(const api::Pod& pod, const std::string& name) {
  const auto& inits = pod.spec.init_containers;
  for (size_t i = 0; i < inits.size(); ++i) {
    if (inits[i].name == name && initKind(inits[i]) == ContainerKind::kSidecar) return inits.size() - i;
  }
  return 0;
}

const api::Container* specOf(const api::Pod& pod, const std::string& name) {
  for (const auto* list : {&pod.spec.init_containers, &pod.spec.containers}) {
    for (const auto& container : *list) {
      if (container.name == name) return &container;
    }
  }
  return nullptr;
}

const InstanceRecord* instanceOf(const PodRecord& record, const ObservedContainer& container) {
  const auto found = record.containers.find(container.name);
  if (found == record.containers.end()) return nullptr;
  const auto& current = found->second.current;
  return current && current->id == container.id ? &*current : nullptr;
}

// When the grace period of the whole pod is over. A beginning in the future is now: the clock was set back.
WallTime graceEnd(const api::Pod& pod, const PodRecord& record, WallTime now) {
  WallTime end = now + specGrace(pod);
  if (record.ending) end = std::min(record.ending->at, now) + record.ending->grace.value_or(specGrace(pod));
  if (record.deletion) {
    const WallTime deleted = std::min(record.deletion->at, now) + record.deletion->grace;
    end = record.ending ? std::min(end, deleted) : deleted;
  }
  return end;
}

void stopRunning(const api::Pod& pod, const PodRecord& record,
                 const std::vector<const ObservedContainer*>& running, WallTime now, Plan& plan) {
  const WallTime pod_end = graceEnd(pod, record, now);
  size_t rank = SIZE_MAX;
  for (const auto* container : running) rank = std::min(rank, stopRank(pod, container->name));
  for (const auto* container : running) {
    const InstanceRecord* instance = instanceOf(record, *container);
    const WallTime end = stopEnd(instance, pod_end);
    const bool hook_begun = instance != nullptr && instance->stop_by;
    const std::string why = hook_begun ? "" : fmt::format("Stopping container {}", container->name);
    // The hooks of all containers begin at once, whoever's turn it is to stop.
    const StopStep step = stopStep(specOf(pod, container->name), instance, end, now);
    if (step == StopStep::kBeginHook)
      plan.actions.push_back(RunHook{container->name, container->id, HookKind::kPreStop, end, why});
    if (step != StopStep::kSignal) {
      if (!plan.wake_at || end < *plan.wake_at) plan.wake_at = end;
      plan.waits.push_back(fmt::format("preStop hook of container {}", container->name));
      continue;
    }
    const bool told = instance != nullptr && instance->kill_at.has_value();
    // When time runs out all that remain are told at once.
    const bool turn = stopRank(pod, container->name) == rank || now >= end;
    const Duration grace = std::max(kMinGrace, Duration(end - now));
    const bool shortened = told && now + grace + kStopSlack < *instance->kill_at;
    if (turn && (!told || shortened)) {
      plan.actions.push_back(StopContainer{container->name, container->id,
                                           instance != nullptr ? instance->stop_signal : 15, grace, why});
    }
    const WallTime kill_at = told && !shortened ? *instance->kill_at : now + grace;
    const WallTime look = turn ? kill_at + kKillMargin : end;
    if (!plan.wake_at || look < *plan.wake_at) plan.wake_at = look;
    plan.waits.push_back(fmt::format("container {} to stop", container->name));
  }
}

// A container outlived its SIGKILL: the shim does not do its work.
bool overdue(const PodRecord& record, const std::vector<const ObservedContainer*>& running, WallTime now) {
  return std::any_of(running.begin(), running.end(), [&](const ObservedContainer* container) {
    const InstanceRecord* instance = instanceOf(record, *container);
    return instance != nullptr && instance->kill_at && now >= *instance->kill_at + kKillMargin;
  });
}

}  // namespace

Duration specGrace(const api::Pod& pod) {
  return std::chrono::seconds(std::max<int64_t>(0, pod.spec.termination_grace_period_seconds.value_or(30)));
}

Plan planEnding(const api::Pod& pod, const PodObservation& observed, const PodRecord& record, WallTime now) {
  Plan plan;
  std::vector<const ObservedContainer*> running;
  if (observed.ready()) {
    for (const auto& container : observed.runtime.containers) {
      if (container.running) running.push_back(&container);
    }
  }
  const bool held = observed.pod_failure && now < observed.pod_failure->retry_at;
  if (held) {
    plan.waits.push_back(
        fmt::format("retry after {}: {}", observed.pod_failure->reason, observed.pod_failure->message));
    plan.wake_at = observed.pod_failure->retry_at;
  }
  if (!running.empty() && !overdue(record, running, now)) {
    if (!held) stopRunning(pod, record, running, now, plan);
    return plan;
  }
  if (held) return plan;
  if (!observed.absent() || record.attached_sandbox) {
    plan.actions.push_back(TearDown{running.empty() ? "" : "containers outlived SIGKILL"});
  }
  if (record.deletion) plan.actions.push_back(ReleasePod{});
  return plan;
}

Plan planBlindEnding(const api::Pod& pod, const PodRecord& record, WallTime now) {
  Plan plan;
  const bool ends = record.deletion || record.ending;
  if (!ends || now < graceEnd(pod, record, now) + kKillMargin) return plan;
  plan.actions.push_back(TearDown{});
  if (record.deletion) plan.actions.push_back(ReleasePod{});
  return plan;
}

}  // namespace keelson::kubelet
