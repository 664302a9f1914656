#include "kubelet/pod_conditions.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "kubelet/container_steps.h"
#include "kubelet/restart.h"

namespace keelson::kubelet {
namespace {

api::PodCondition condition(const std::string& type, bool is_true, std::string reason = "",
                            std::string message = "") {
  api::PodCondition made;
  made.type = type;
  made.status = is_true ? "True" : "False";
  made.reason = std::move(reason);
  made.message = std::move(message);
  return made;
}

// That the pod was scheduled is the scheduler's word; who was put here without one is scheduled all the same.
api::PodCondition scheduled(const api::Pod& pod) {
  for (const auto& known : pod.status.conditions) {
    if (known.type == "PodScheduled") return known;
  }
  return condition("PodScheduled", true);
}

std::string listText(const char* words, const std::vector<std::string>& names) {
  return fmt::format("{}: [{}]", words, fmt::join(names, " "));
}

api::PodCondition initialized(const StatusInput& in, const api::PodStatus& status) {
  std::vector<std::string> incomplete;
  for (size_t i = 0; i < in.pod.spec.init_containers.size(); ++i) {
    const auto& container = in.pod.spec.init_containers[i];
    const auto& seen = status.init_container_statuses[i];
    const bool sidecar = initKind(container) == ContainerKind::kSidecar;
    if (sidecar ? !seen.started.value_or(false) : !seen.ready) incomplete.push_back(container.name);
  }
  if (incomplete.empty()) return condition("Initialized", true);
  if (status.phase == "Succeeded") return condition("Initialized", true, "PodCompleted");
  // Once app containers have run, the pod is initialised for good, whatever its init containers show.
  const bool apps_ran = std::any_of(status.container_statuses.begin(), status.container_statuses.end(),
                                    [](const auto& container) { return !container.container_id.empty(); });
  if (apps_ran && kubelet::initialized(in.pod, in.observed, in.record)) return condition("Initialized", true);
  return condition("Initialized", false, "ContainersNotInitialized",
                   listText("containers with incomplete status", incomplete));
}

api::PodCondition containersReady(const StatusInput& in, const api::PodStatus& status) {
  const char* type = "ContainersReady";
  if (status.phase == "Succeeded") return condition(type, false, "PodCompleted");
  if (status.phase == "Failed") return condition(type, false, "PodFailed");
  std::vector<std::string> unready;
  for (size_t i = 0; i < in.pod.spec.init_containers.size(); ++i) {
    const auto& container = in.pod.spec.init_containers[i];
    if (initKind(container) == ContainerKind::kSidecar && !status.init_container_statuses[i].ready) {
      unready.push_back(container.name);
    }
  }
  for (const auto& container : status.container_statuses) {
    if (!container.ready) unready.push_back(container.name);
  }
  if (unready.empty()) return condition(type, true);
  return condition(type, false, "ContainersNotReady", listText("containers with unready status", unready));
}

api::PodCondition podReady(const StatusInput& in, const api::PodCondition& containers) {
  api::PodCondition ready = containers;
  ready.type = "Ready";
  if (containers.status != "True") return ready;
  std::vector<std::string> closed;
  for (const auto& gate : in.pod.spec.readiness_gates) {
    const auto& known = in.pod.status.conditions;
    const auto found = std::find_if(known.begin(), known.end(),
                                    [&](const auto& one) { return one.type == gate.condition_type; });
    if (found == known.end()) {
      closed.push_back(fmt::format("corresponding condition of pod readiness gate \"{}\" does not exist.",
                                   gate.condition_type));
    } else if (found->status != "True") {
      closed.push_back(fmt::format("the status of pod readiness gate \"{}\" is not \"True\", but {}",
                                   gate.condition_type, found->status));
    }
  }
  if (closed.empty()) return ready;
  return condition("Ready", false, "ReadinessGatesNotReady", fmt::format("{}", fmt::join(closed, ", ")));
}

}  // namespace

std::vector<api::PodCondition> podConditions(const StatusInput& in, const api::PodStatus& status) {
  std::vector<api::PodCondition> made;
  const bool rejected = in.record.admission && !in.record.admission->admitted;
  if (!rejected) {
    const bool sandbox = in.observed.ready() && in.record.attached_sandbox &&
                         *in.record.attached_sandbox == in.observed.runtime.sandbox_attempt &&
                         !isOver(status);
    made.push_back(condition("PodReadyToStartContainers", sandbox));
    made.push_back(initialized(in, status));
    const api::PodCondition containers = containersReady(in, status);
    made.push_back(podReady(in, containers));
    made.push_back(containers);
  }
  if (in.record.ending && in.record.ending->disruption) {
    made.push_back(condition("DisruptionTarget", true, "TerminationByKubelet", in.record.ending->message));
  }
  made.push_back(scheduled(in.pod));
  for (auto& one : made) {
    one.observed_generation = in.pod.metadata.generation;
    if (one.type == "PodScheduled" && one.last_transition_time) continue;
    one.last_transition_time = in.now;
    // A record that was lost is no transition: the API server may still know.
    for (const auto* list : {&in.pod.status.conditions, &in.record.conditions}) {
      for (const auto& before : *list) {
        if (before.type == one.type && before.status == one.status) {
          one.last_transition_time = before.last_transition_time;
        }
      }
    }
  }
  return made;
}

}  // namespace keelson::kubelet
