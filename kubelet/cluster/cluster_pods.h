// The pods of this node between the API server and the kubelet.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/client/api_client.h"
#include "base/executor.h"
#include "kubelet/cluster/event_recorder.h"
#include "kubelet/cluster/mirror_pods.h"
#include "kubelet/cluster/pod_source.h"
#include "kubelet/cluster/status_sync.h"
#include "kubelet/kubelet.h"

namespace keelson::kubelet::cluster {

// Carries pods to the kubelet, and their status, mirrors and events back. It holds no truth of its own: a
// daemon without it, or with a dead API server, runs its pods as before. Owned by the agent, which calls
// apiChanged() with what PodSource tells. Home: loop.
class ClusterPods {
 public:
  struct Settings {
    std::string node_name;
    StatusSync::Settings status;
    EventRecorder::Settings events;
    BackoffPolicy mirror_retry = kRequestBackoff;
  };
  // All outlive it, but the kubelet may be stopped before. Listens to the kubelet from now on.
  ClusterPods(Loop& loop, Clock& clock, api::client::ApiClient& client, Kubelet& kubelet, Settings settings);
  ~ClusterPods();

  void apiChanged(const PodSource::Changes& changes, const std::vector<api::PodPtr>& pods);
  // The node is registered under this uid: mirror pods are made from then on.
  void setNodeUid(std::string uid);
  // An event about the node itself.
  void recordNodeEvent(const Event& event);
  // Ends requests; later calls do nothing. Before the kubelet is destroyed.
  void stop();

  const StatusSync& status() const;
  const EventRecorder& events() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace keelson::kubelet::cluster
