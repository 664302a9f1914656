#include "agent/upkeep.h"

#include "base/log.h"

namespace keelson::agent {

using kubelet::eviction::Eviction;
namespace node = kubelet::node;

Upkeep::Upkeep(UpkeepDependencies dependencies, UpkeepSettings settings)
    : deps_(std::move(dependencies)),
      observer_(std::move(settings.observer), deps_.clock),
      reclaim_(deps_.images),
      eviction_(std::move(settings.eviction), {deps_.loop, deps_.lane, deps_.clock, observer_, &reclaim_},
                evictionCallbacks()),
      shutdown_(
          {deps_.loop, deps_.clock, [this] { return node::connectLogind(deps_.loop); },
           [this] { return shutdownPods(); },
           [this](const PodUid& uid, Duration grace, const std::string& reason, const std::string& message) {
             deps_.kubelet.evict(uid, {"Failed", reason, message, deps_.clock.wall(), grace, true}, grace);
           },
           deps_.on_changed, deps_.on_event},
          std::move(settings.shutdown)) {}

kubelet::eviction::EvictionCallbacks Upkeep::evictionCallbacks() {
  kubelet::eviction::EvictionCallbacks callbacks;
  callbacks.active_pods = [this] {
    std::vector<api::PodPtr> pods;
    for (const auto& view : deps_.kubelet.pods())
      if (!view->released && view->pod->status.phase != "Succeeded" && view->pod->status.phase != "Failed")
        pods.push_back(view->pod);
    return pods;
  };
  callbacks.evict = [this](const Eviction& eviction) {
    LOG_WARN("pod {}/{} is evicted: {}", eviction.pod->metadata.namespace_, eviction.pod->metadata.name,
             eviction.message);
    deps_.kubelet.evict(eviction.uid,
                        {"Failed", eviction.reason, eviction.message, deps_.clock.wall(), eviction.grace,
                         eviction.disruption_target},
                        eviction.grace);
  };
  callbacks.pressure_changed = [this](const node::NodePressure&) { deps_.on_changed(); };
  callbacks.node_event = [this](const std::string& reason, const std::string& message) {
    deps_.on_event({"Warning", reason, message});
  };
  return callbacks;
}

kubelet::Admission Upkeep::admit(const api::Pod& pod) const {
  if (shutdown_.isShuttingDown())
    return {false, node::kShutdownAdmissionReason, node::kShutdownAdmissionMessage};
  return eviction_.admit(pod);
}

std::vector<node::ShutdownPod> Upkeep::shutdownPods() const {
  std::vector<node::ShutdownPod> pods;
  for (const auto& view : deps_.kubelet.pods()) {
    const auto& pod = *view->pod;
    if (view->released || pod.status.phase == "Succeeded" || pod.status.phase == "Failed") continue;
    pods.push_back({PodUid(pod.metadata.uid), pod.spec.priority.value_or(0),
                    std::chrono::seconds(pod.spec.termination_grace_period_seconds.value_or(30))});
  }
  return pods;
}

void Upkeep::start() {
  deps_.kubelet.setAdmissionCheck([this](const api::Pod& pod) { return admit(pod); });
  deps_.kubelet.onPodChanged([this](const PodUid&) { shutdown_.onPodsChanged(); });
  eviction_.start();
  shutdown_.start();
}

void Upkeep::stop() {
  eviction_.stop();
  shutdown_.stop();
}

}  // namespace keelson::agent
