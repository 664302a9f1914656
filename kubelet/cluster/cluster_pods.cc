#include "kubelet/cluster/cluster_pods.h"

#include "kubelet/cluster/event_series.h"

namespace keelson::kubelet::cluster {

struct ClusterPods::State : std::enable_shared_from_this<State> {
  State(Loop& on, Clock& clock, api::client::ApiClient& client, Kubelet& of, Settings given)
      : loop(on),
        kubelet(of),
        settings(std::move(given)),
        status(
            loop, clock, client, [this](const PodUid& uid) { return kubelet.podByUid(uid); },
            settings.status),
        mirrors(loop, clock, client, settings.node_name, settings.mirror_retry),
        events(loop, clock, client, settings.node_name, settings.events) {}

  Loop& loop;
  Kubelet& kubelet;
  const Settings settings;
  StatusSync status;
  MirrorPods mirrors;
  EventRecorder events;
  std::vector<api::PodPtr> api_pods;
  bool synced = false;
  bool planned = false;
  bool closed = false;

  void listen() {
    kubelet.onPodChanged([weak = weak_from_this()](const PodUid& uid) {
      const auto self = weak.lock();
      if (!self || self->closed) return;
      self->status.podChanged(uid);
      self->planMirrors();
    });
    kubelet.onPodEvent([weak = weak_from_this()](const api::PodPtr& pod, const Event& event) {
      const auto self = weak.lock();
      if (self && !self->closed) self->events.record(podReference(*pod), event);
    });
  }

  // Many changes in one turn of the loop are one look at the mirrors.
  void planMirrors() {
    if (!synced || std::exchange(planned, true)) return;
    loop.post([weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      self->planned = false;
      if (!self->closed) self->mirrors.update(self->kubelet.pods(), self->api_pods);
    });
  }
};

ClusterPods::ClusterPods(Loop& loop, Clock& clock, api::client::ApiClient& client, Kubelet& kubelet,
                         Settings settings)
    : state_(std::make_shared<State>(loop, clock, client, kubelet, std::move(settings))) {
  state_->listen();
}

ClusterPods::~ClusterPods() { stop(); }

void ClusterPods::apiChanged(const PodSource::Changes& changes, const std::vector<api::PodPtr>& pods) {
  State& state = *state_;
  if (state.closed) return;
  state.synced = true;
  state.api_pods = pods;
  state.kubelet.setApiPods(pods);
  state.status.apiChanged(changes);
  state.planMirrors();
}

void ClusterPods::setNodeUid(std::string uid) {
  if (!state_->closed) state_->mirrors.setNodeUid(std::move(uid));
}

void ClusterPods::recordNodeEvent(const Event& event) {
  if (!state_->closed) state_->events.record(nodeReference(state_->settings.node_name), event);
}

void ClusterPods::stop() {
  State& state = *state_;
  if (std::exchange(state.closed, true)) return;
  state.status.stop();
  state.mirrors.stop();
  state.events.stop();
}

const StatusSync& ClusterPods::status() const { return state_->status; }
const EventRecorder& ClusterPods::events() const { return state_->events; }

}  // namespace keelson::kubelet::cluster
