// Tells the API server what happened to pods and node.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "api/client/api_client.h"
#include "api/event.h"
#include "base/backoff.h"
#include "base/executor.h"
#include "kubelet/cluster/retry.h"
#include "kubelet/kubelet.h"

namespace keelson::kubelet::cluster {

// Each event becomes an Event of events.k8s.io/v1; like ones that follow within ten minutes are counted in
// its series. An object that has too much to tell is limited (25 at once, then one in five minutes), and so
// is the node (eventRecordQPS, eventBurst). What cannot be told now waits in a queue of `queue` series, whose
// oldest goes first; what the API server will not have (a namespace that ends) is dropped. Home: loop.
class EventRecorder {
 public:
  struct Settings {
    double queries_per_second = 50;  // eventRecordQPS; 0: no limit
    int burst = 100;                 // eventBurst
    size_t queue = 1000;
    double object_burst = 25;
    Duration object_refill = std::chrono::minutes(5);
    size_t in_flight = 8;
    BackoffPolicy retry = kRequestBackoff;
  };
  struct Stats {
    uint64_t sent = 0;
    uint64_t limited = 0;  // an object told too much
    uint64_t dropped = 0;  // the queue was full
    uint64_t refused = 0;  // by the API server
    size_t waiting = 0;
    std::string last_error;
  };

  EventRecorder(Loop& loop, Clock& clock, api::client::ApiClient& client, std::string node_name,
                Settings settings);
  ~EventRecorder();

  void record(const api::ObjectReference& regarding, const Event& event);
  void stop();
  Stats stats() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace keelson::kubelet::cluster
