// The ConfigMaps, Secrets, Services and RuntimeClasses that the pods of this node need to be known.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "api/client/informer.h"
#include "base/executor.h"
#include "base/ids.h"
#include "kubelet/object_store.h"

namespace keelson::kubelet::cluster {

// Follows just the ConfigMaps and Secrets (those of imagePullSecrets too) that pods name, each by an informer
// of its own on that single object, which is all that the node authorizer allows; they are counted by pods,
// and the last pod takes its objects along. An immutable object is not followed any more once it is here.
// Services are followed as soon as there is a pod, RuntimeClasses as soon as a pod names one. With a dead API
// server what was known stays known. Home: loop; lives there until stop().
class ObjectCache {
 public:
  // A snapshot whose `cluster` holds what is known, and the pods that the change concerns: for
  // Kubelet::setObjects(). Several changes at once are one call. Never called from inside of setPods().
  using Changed = std::function<void(ObjectStorePtr, std::vector<PodUid>)>;

  struct Settings {
    size_t max_objects = 8192;  // ConfigMaps and Secrets followed; pods that name further ones wait
    api::client::FollowSettings follow;
  };

  // `decoder` is a lane for the decoding of lists.
  ObjectCache(Loop& loop, Lane& decoder, api::client::ApiClient& client, Changed changed, Settings settings);
  ~ObjectCache();

  // The pods of the API server that are on this node and not over: all of them, each time they change.
  void setPods(const std::vector<api::PodPtr>& pods);
  void stop();

  struct Stats {
    size_t config_maps = 0, secrets = 0;  // followed
    size_t refused = 0;                   // beyond max_objects
    bool services = false, runtime_classes = false;
  };
  Stats stats() const;

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace keelson::kubelet::cluster
