// The pods that the API server has for this node, followed for ever.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/client/informer.h"
#include "api/pod.h"
#include "base/executor.h"

namespace keelson::kubelet::cluster {

// List and watch of pods by spec.nodeName. The listener gets the differences and all pods there are after
// them, first with the whole first list (also an empty one). Home: loop.
class PodSource {
 public:
  using Changes = std::vector<api::client::Change<api::Pod>>;
  using Listener = std::function<void(const Changes&, const std::vector<api::PodPtr>&)>;

  // Objects are decoded on `lane`.
  PodSource(Loop& loop, Lane& lane, api::client::ApiClient& client, const std::string& node_name,
            api::client::FollowSettings settings = {});
  void start(Listener listener);
  void stop();
  bool synced() const { return informer_.synced(); }
  api::client::FollowStats stats() const { return informer_.stats(); }

 private:
  api::client::Informer<api::Pod> informer_;
};

}  // namespace keelson::kubelet::cluster
