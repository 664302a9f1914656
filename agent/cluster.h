// This node's door to its cluster: the API client, pods, their status, and events.
#pragma once

#include <memory>
#include <string>

#include "api/client/http_api_client.h"
#include "api/client/kubeconfig.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/result.h"
#include "kubelet/cluster/cluster_pods.h"
#include "kubelet/cluster/pod_source.h"
#include "kubelet/kubelet.h"

namespace keelson::agent {

struct ClusterSettings {
  api::client::ClientSettings client;
  kubelet::cluster::ClusterPods::Settings pods;  // node_name among them
  api::client::FollowSettings follow;            // of the pods
};

// Owned by the agent, made before Kubelet::start() (so that no event is missed) and started after it.
// `lane` resolves names, reads credentials and decodes lists. Home: loop.
class Cluster {
 public:
  // kInvalidArgument if the connection cannot work.
  static Result<std::unique_ptr<Cluster>> create(Loop& loop, Lane& lane, Clock& clock,
                                                 kubelet::Kubelet& kubelet, ClusterSettings settings);
  ~Cluster();

  // Follows this node's pods from now on. The kubelet needs Options::wait_for_api.
  void start();
  // Requests end. Before the kubelet and the lane.
  void stop();

  // For everybody else who speaks to the API server (node, volumes, certificates); lives as long as this.
  api::client::ApiClient& client() { return *client_; }
  kubelet::cluster::ClusterPods& pods() { return pods_; }
  const kubelet::cluster::PodSource& source() const { return source_; }

 private:
  Cluster(Loop& loop, Lane& lane, Clock& clock, kubelet::Kubelet& kubelet,
          std::unique_ptr<api::client::ApiClient> client, ClusterSettings settings);

  std::unique_ptr<api::client::ApiClient> client_;
  kubelet::cluster::ClusterPods pods_;
  kubelet::cluster::PodSource source_;
};

}  // namespace keelson::agent
