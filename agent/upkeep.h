// What keeps the node itself from harm: eviction under pressure, and an orderly end at a shutdown of the
// machine.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "kubelet/eviction/eviction_manager.h"
#include "kubelet/eviction/reclaim.h"
#include "kubelet/kubelet.h"
#include "kubelet/node/shutdown_manager.h"
#include "kubelet/stats/observer.h"

namespace keelson::agent {

struct UpkeepSettings {
  kubelet::eviction::EvictionOptions eviction;
  kubelet::stats::HostObserver::Options observer;
  std::vector<kubelet::node::ShutdownPeriod> shutdown;
};

struct UpkeepDependencies {
  Loop& loop;
  Lane& lane;  // disk walks
  Clock& clock;
  kubelet::Kubelet& kubelet;
  runtime::ImageService& images;
  std::function<void()> on_changed;  // pressure or shutdown: the node's status should be looked at
  kubelet::node::NodeEventSink on_event;
};

// Joins eviction and shutdown to the kubelet: which pods there are, how they are ended, which new ones are
// refused. Home: loop. The lane is joined before it is destroyed.
class Upkeep {
 public:
  Upkeep(UpkeepDependencies dependencies, UpkeepSettings settings);
  void start();
  void stop();

  kubelet::node::NodePressure pressure() const { return eviction_.pressure(); }
  // Outlives whoever asks it: any thread.
  kubelet::stats::Observer& observer() { return observer_; }
  bool isShuttingDown() const { return shutdown_.isShuttingDown(); }

 private:
  kubelet::eviction::EvictionCallbacks evictionCallbacks();
  kubelet::Admission admit(const api::Pod& pod) const;
  std::vector<kubelet::node::ShutdownPod> shutdownPods() const;

  UpkeepDependencies deps_;
  kubelet::stats::HostObserver observer_;
  kubelet::eviction::ImageReclaim reclaim_;
  kubelet::eviction::EvictionManager eviction_;
  kubelet::node::ShutdownManager shutdown_;
};

}  // namespace keelson::agent
