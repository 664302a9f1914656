// Tells the API server how the pods of this node are, and ends what is deleted.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/client/api_client.h"
#include "api/client/informer.h"
#include "api/pod.h"
#include "base/backoff.h"
#include "base/executor.h"
#include "kubelet/cluster/retry.h"
#include "kubelet/kubelet.h"

namespace keelson::kubelet::cluster {

// Level-triggered: for each pod of the API server it compares what is there with what the kubelet shows now,
// and sends the difference; newest wins. One request a pod at a time, `in_flight` in all. A deleted pod of
// which nothing is left on the node gets its last status and is then removed for good. Errors are tried
// again with a growing wait; a pod that the API server does not have (any more) waits for news of it.
// Home: loop.
class StatusSync {
 public:
  struct Settings {
    size_t in_flight = 16;
    BackoffPolicy retry = kRequestBackoff;
  };
  struct Stats {
    uint64_t patches = 0, removals = 0, failures = 0;
    size_t waiting = 0, in_flight = 0;
    std::string last_error;  // "" when all is well
  };
  // What the kubelet shows of a pod; nullptr: it knows nothing of it.
  using ViewOf = std::function<std::shared_ptr<const PodView>(const PodUid&)>;

  StatusSync(Loop& loop, Clock& clock, api::client::ApiClient& client, ViewOf view_of, Settings settings);
  ~StatusSync();

  // What the API server has.
  void apiChanged(const std::vector<api::client::Change<api::Pod>>& changes);
  // The kubelet shows something new of this pod (the uid by which the kubelet knows it).
  void podChanged(const PodUid& uid);
  void stop();  // ends requests and timers
  Stats stats() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace keelson::kubelet::cluster
