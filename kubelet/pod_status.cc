#include "kubelet/pod_status.h"

#include "kubelet/container_status.h"
#include "kubelet/container_steps.h"
#include "kubelet/pod_conditions.h"
#include "kubelet/restart.h"
#include "runtime/cgroup_layout.h"

namespace keelson::kubelet {
namespace {

// How many containers are in which state, as Kubernetes' getPhase counts them.
struct Counts {
  int waiting = 0, running = 0, stopped = 0, succeeded = 0;
};

Counts count(const std::vector<api::ContainerStatus>& statuses) {
  Counts counts;
  for (const auto& status : statuses) {
    if (status.state.running) {
      ++counts.running;
    } else if (status.state.terminated) {
      ++counts.stopped;
      if (status.state.terminated->exit_code == 0) ++counts.succeeded;
    } else if (status.last_state.terminated) {
      ++counts.stopped;  // it has run and will again
    } else {
      ++counts.waiting;
    }
  }
  return counts;
}

bool anyRuns(const api::PodStatus& status) {
  return count(status.init_container_statuses).running + count(status.container_statuses).running > 0;
}

std::string phaseOf(const StatusInput& in, const api::PodStatus& status) {
  const Counts counts = count(status.container_statuses);
  if (in.record.deletion && counts.running == 0 && in.observed.absent()) {
    const bool all_well = counts.waiting == 0 && counts.stopped > 0 && counts.stopped == counts.succeeded;
    return all_well ? "Succeeded" : "Failed";
  }
  const bool apps_ran = counts.running + counts.stopped > 0;
  if (!apps_ran && !initialized(in.pod, in.observed, in.record)) return "Pending";
  if (counts.waiting > 0) return "Pending";
  if (counts.running > 0 || counts.stopped > 0) return "Running";
  return "Pending";
}

Event warning(const std::string& reason, std::string message, const std::string& path, WallTime now) {
  return makeEvent("Warning", reason, std::move(message), path, now);
}

void imageEvents(const api::Container& container, const api::ContainerStateWaiting& waiting,
                 const std::string& path, WallTime now, std::vector<Event>& out) {
  if (waiting.reason == "ErrImageNeverPull") {
    out.push_back(warning("ErrImageNeverPull", waiting.message, path, now));
  } else if (waiting.reason == "InvalidImageName" || waiting.reason == "ImageInspectError") {
    out.push_back(warning("InspectFailed", waiting.message, path, now));
  } else if (waiting.reason == "ImagePullBackOff") {
    out.push_back(makeEvent("Normal", "BackOff",
                            fmt::format("Back-off pulling image \"{}\"", container.image), path, now));
  } else {
    return;
  }
  out.push_back(warning("Failed", "Error: " + waiting.reason, path, now));
}

void containerEvents(const api::Pod& pod, const std::vector<api::Container>& specs, const char* list,
                     const std::vector<api::ContainerStatus>& before,
                     const std::vector<api::ContainerStatus>& after, WallTime now, std::vector<Event>& out) {
  for (size_t i = 0; i < specs.size() && i < after.size(); ++i) {
    if (!after[i].state.waiting) continue;
    const api::ContainerStateWaiting& waiting = *after[i].state.waiting;
    if (i < before.size() && before[i].state.waiting == after[i].state.waiting) continue;
    const std::string path = fmt::format("spec.{}{{{}}}", list, specs[i].name);
    if (waiting.reason == "CrashLoopBackOff") {
      out.push_back(
          warning("BackOff",
                  fmt::format("Back-off restarting failed container {} in pod {}_{}({})", specs[i].name,
                              pod.metadata.name, pod.metadata.namespace_, pod.metadata.uid),
                  path, now));
    } else {
      imageEvents(specs[i], waiting, path, now, out);
    }
  }
}

}  // namespace

bool isOver(const api::PodStatus& status) { return status.phase == "Succeeded" || status.phase == "Failed"; }

api::PodStatus podStatus(const StatusInput& in) {
  api::PodStatus status;
  status.observed_generation = in.pod.metadata.generation;
  status.qos_class = runtime::qosName(runtime::qosClass(in.pod.spec));
  status.start_time = in.record.start_time;
  status.host_ips = in.host_ips;
  status.pod_ips = in.record.pod_ips;
  if (in.record.admission && !in.record.admission->admitted) {
    status.phase = "Failed";
    status.reason = in.record.admission->reason;
    status.message = in.record.admission->message;
    status.conditions = podConditions(in, status);
    return status;
  }
  for (const auto& container : in.pod.spec.init_containers) {
    status.init_container_statuses.push_back(containerStatus(in, container, initKind(container)));
  }
  for (const auto& container : in.pod.spec.containers) {
    status.container_statuses.push_back(containerStatus(in, container, ContainerKind::kApp));
  }
  // Nobody may take a pod for over, and its place for free, while a container of it runs.
  if (in.record.ending && !anyRuns(status)) {
    status.phase = in.record.ending->phase;
    status.reason = in.record.ending->reason;
    status.message = in.record.ending->message;
  } else {
    status.phase = phaseOf(in, status);
  }
  status.conditions = podConditions(in, status);
  return status;
}

std::vector<Event> statusEvents(const api::Pod& pod, const api::PodStatus& before,
                                const api::PodStatus& after, WallTime now) {
  std::vector<Event> out;
  containerEvents(pod, pod.spec.init_containers, "initContainers", before.init_container_statuses,
                  after.init_container_statuses, now, out);
  containerEvents(pod, pod.spec.containers, "containers", before.container_statuses, after.container_statuses,
                  now, out);
  if (after.reason != before.reason && after.phase == "Failed" && !after.reason.empty()) {
    const bool deadline = after.reason == "DeadlineExceeded";
    out.push_back(makeEvent(deadline ? "Normal" : "Warning", after.reason, after.message, "", now));
  }
  return out;
}

}  // namespace keelson::kubelet
