// Keeps the API server's mirror pods in step with the static pods of this node.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/client/api_client.h"
#include "api/pod.h"
#include "base/backoff.h"
#include "base/executor.h"
#include "kubelet/cluster/mirror_plan.h"
#include "kubelet/cluster/retry.h"
#include "kubelet/kubelet.h"

namespace keelson::kubelet::cluster {

// Makes and removes what planMirrors() says. After a request that succeeded it waits for the watch to tell of
// it; errors are tried again with a growing wait, each name by itself. Home: loop.
class MirrorPods {
 public:
  MirrorPods(Loop& loop, Clock& clock, api::client::ApiClient& client, std::string node_name,
             BackoffPolicy retry = kRequestBackoff);
  ~MirrorPods();

  // The node's uid in the API server: mirrors are made from then on.
  void setNodeUid(std::string uid);
  // All pods of this node, as the kubelet shows them and as the API server has them. Not before its first
  // full list.
  void update(std::vector<std::shared_ptr<const PodView>> pods, std::vector<api::PodPtr> api_pods);
  void stop();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace keelson::kubelet::cluster
