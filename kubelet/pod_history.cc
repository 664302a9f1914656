#include "kubelet/pod_history.h"

#include <algorithm>

#include "kubelet/pod_observation.h"
#include "kubelet/restart.h"

namespace keelson::kubelet {
namespace {

using runtime::ObservedContainer;
using runtime::ObservedPod;
using runtime::SandboxPhase;

api::ContainerStateTerminated endOf(const ObservedContainer& container, const std::string& message) {
  api::ContainerStateTerminated exit;
  exit.exit_code = container.exit_code;
  exit.signal = container.signal;
  if (!container.started) {
    exit.reason = "StartError";
  } else if (container.oom_killed) {
    exit.reason = "OOMKilled";
  } else {
    exit.reason = container.exit_code == 0 ? "Completed" : "Error";
  }
  exit.message = message.empty() ? container.error : message;
  exit.started_at = container.started_at;
  exit.finished_at = container.finished_at;
  exit.container_id = containerIdText(container.id);
  return exit;
}

// Kubernetes' words for a container that was there and is nowhere now.
api::ContainerStateTerminated unknownEnd(const InstanceRecord& instance, WallTime now) {
  api::ContainerStateTerminated exit;
  exit.exit_code = 137;
  exit.reason = "ContainerStatusUnknown";
  exit.message = "The container could not be located when the pod was terminated";
  exit.started_at = instance.started_at;
  exit.finished_at = now;
  exit.container_id = containerIdText(instance.id);
  return exit;
}

bool ended(const ObservedContainer& container, const ObservedPod& pod) {
  return !container.running && pod.sandbox != SandboxPhase::kAbsent;
}

std::string messageOf(const std::map<ContainerId, std::string>& messages, const ContainerId& id) {
  const auto found = messages.find(id);
  return found == messages.end() ? "" : found->second;
}

// A container that an earlier life of the daemon started without coming to save it.
// Without any record nobody knows whether its postStart hook has run: it has, rather than once more.
InstanceRecord adopted(const ObservedContainer& container, uint32_t sandbox_attempt, const api::Pod& pod,
                       bool record_lost) {
  InstanceRecord instance;
  instance.id = container.id;
  instance.attempt = container.attempt;
  instance.sandbox_attempt = sandbox_attempt;
  instance.started_at = container.started_at;
  if (record_lost) instance.post_start.phase = HookPhase::kDone;
  for (const auto* list : {&pod.spec.init_containers, &pod.spec.containers}) {
    for (const auto& spec : *list) {
      if (spec.name == container.name) instance.image = spec.image;
    }
  }
  return instance;
}

struct Folding {
  const api::Pod& pod;
  const ObservedPod& observed;
  const std::map<ContainerId, std::string>& messages;
  bool record_lost;
  WallTime now;
};

void recordInstance(const Folding& in, const ObservedContainer& container, PodRecord& record) {
  ContainerRecord& known = record.containers[container.name];
  // next_attempt may be ahead of what is known: after a kill it is counted from the log files alone.
  if (!known.current || container.attempt > known.current->attempt) {
    if (known.current && !known.current->exit) known.current->exit = unknownEnd(*known.current, in.now);
    if (known.current) known.previous = std::move(known.current);
    known.current = adopted(container, in.observed.sandbox_attempt, in.pod, in.record_lost);
    known.next_attempt = std::max(known.next_attempt, container.attempt + 1);
  }
  for (auto* instance : {&known.current, &known.previous}) {
    if (!*instance || (*instance)->id != container.id || (*instance)->exit) continue;
    if (ended(container, in.observed))
      (*instance)->exit = endOf(container, messageOf(in.messages, container.id));
  }
}

// Terminal by its containers: nullopt while anything may still run.
std::optional<Ending> endingOf(const api::Pod& pod, const PodRecord& record, WallTime now) {
  const auto currentOf = [&](const api::Container& container) -> const InstanceRecord* {
    const auto found = record.containers.find(container.name);
    return found == record.containers.end() || !found->second.current ? nullptr : &*found->second.current;
  };
  for (const auto& container : pod.spec.init_containers) {
    if (initKind(container) == ContainerKind::kSidecar) continue;
    const InstanceRecord* instance = currentOf(container);
    if (instance == nullptr || !instance->exit || instance->exit->exit_code == 0) continue;
    if (instance->image != container.image) continue;
    if (!restarts(pod.spec, container, ContainerKind::kInit, *instance)) {
      return Ending{"Failed", "", "", now};
    }
  }
  bool all_succeeded = true;
  for (const auto& container : pod.spec.containers) {
    const InstanceRecord* instance = currentOf(container);
    if (instance == nullptr || !instance->exit || instance->image != container.image) return std::nullopt;
    if (restarts(pod.spec, container, ContainerKind::kApp, *instance)) return std::nullopt;
    all_succeeded = all_succeeded && instance->exit->exit_code == 0;
  }
  if (pod.spec.containers.empty()) return std::nullopt;
  return Ending{all_succeeded ? "Succeeded" : "Failed", "", "", now};
}

}  // namespace

std::string containerIdText(const ContainerId& id) { return "keelson://" + id.str(); }

const ObservedContainer* findInstance(const ObservedPod& pod, const ContainerId& id) {
  for (const auto& container : pod.containers) {
    if (container.id == id) return &container;
  }
  return nullptr;
}

bool isRunning(const ObservedPod& pod, const ContainerId& id) {
  const ObservedContainer* container = findInstance(pod, id);
  return pod.sandbox == SandboxPhase::kReady && container != nullptr && container->running;
}

std::vector<ObservedContainer> newExits(const ObservedPod& observed, const PodRecord& record) {
  std::vector<ObservedContainer> fresh;
  for (const auto& container : observed.containers) {
    if (!ended(container, observed)) continue;
    const auto known = record.containers.find(container.name);
    bool noted = false;
    if (known != record.containers.end()) {
      for (const auto* instance : {&known->second.current, &known->second.previous}) {
        noted = noted || (*instance && (*instance)->id == container.id && (*instance)->exit);
      }
      const auto& current = known->second.current;
      noted = noted || (current && container.attempt < current->attempt);
    }
    if (!noted) fresh.push_back(container);
  }
  return fresh;
}

PodRecord recordObserved(const api::Pod& pod, const ObservedPod& observed,
                         const std::map<ContainerId, std::string>& messages, PodRecord record, WallTime now) {
  // A record that was lost does not make the pod younger: the API server may still know.
  const bool record_lost = !record.start_time;
  if (record_lost) record.start_time = pod.status.start_time.value_or(now);
  if (observed.sandbox != SandboxPhase::kAbsent) {
    record.next_sandbox = std::max(record.next_sandbox, observed.sandbox_attempt + 1);
  }
  const Folding in{pod, observed, messages, record_lost, now};
  for (const auto& container : observed.containers) recordInstance(in, container, record);
  for (auto& [name, container] : record.containers) {
    if (!container.current || container.current->exit) continue;
    if (isRunning(observed, container.current->id)) continue;
    container.current->exit = unknownEnd(*container.current, now);
  }
  if (!record.ending && pod.spec.active_deadline_seconds &&
      now - *record.start_time >= std::chrono::seconds(*pod.spec.active_deadline_seconds)) {
    record.ending = {"Failed", "DeadlineExceeded",
                     "Pod was active on the node longer than the specified deadline", now};
  }
  if (!record.ending) record.ending = endingOf(pod, record, now);
  return record;
}

}  // namespace keelson::kubelet
