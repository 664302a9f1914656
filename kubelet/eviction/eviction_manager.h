// Keeps the node from running dry: watches its resources and ends pods before the kernel does.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "kubelet/eviction/eviction_round.h"
#include "kubelet/eviction/pressure_watch.h"

namespace keelson::kubelet::eviction {

struct EvictionOptions {
  EvictionPolicy policy;
  Duration monitoring_interval = std::chrono::seconds(10);
  // Between two rounds while memory is close to its threshold, and after a stall.
  Duration urgent_interval = std::chrono::seconds(1);
  Duration cleanup_poll = std::chrono::seconds(1);
  Duration cleanup_timeout = std::chrono::seconds(30);
  std::string pressure_file = "/proc/pressure/memory";  // "": no PSI trigger
};

// All run on the loop.
struct EvictionCallbacks {
  // Every pod that has not ended, its status filled in, also while it terminates; a pod counts as cleaned up
  // when it is not among them any more.
  std::function<std::vector<api::PodPtr>()> active_pods;
  std::function<void(const Eviction&)> evict;
  std::function<void(const node::NodePressure&)> pressure_changed;
  // Warning events: of the node (reason EvictionThresholdMet), and of the pod (reason Evicted).
  std::function<void(const std::string& reason, const std::string& message)> node_event;
  std::function<void(const Eviction&)> pod_event;
};

struct EvictionDependencies {
  Loop& loop;
  Lane& lane;  // rounds run here, one at a time
  const Clock& clock;
  stats::Observer& observer;
  Reclaim* reclaim = nullptr;
};

// A round every ten seconds, sooner when tasks stall for memory (PSI) or memory is close to a threshold;
// after an eviction the next one when the pod is cleaned up, at most 30 s later. A quiet round reads about
// ten small files of the kernel (0.2 ms); trees on disk are walked only for pods with limits, or under disk
// pressure. With neither thresholds nor local storage isolation it does nothing. Home: loop. Its dependencies
// outlive it and the lane's join.
class EvictionManager {
 public:
  EvictionManager(EvictionOptions options, const EvictionDependencies& dependencies,
                  EvictionCallbacks callbacks);
  ~EvictionManager();  // stop()s
  EvictionManager(const EvictionManager&) = delete;
  EvictionManager& operator=(const EvictionManager&) = delete;

  void start();
  // A round under way is cancelled and its outcome dropped.
  void stop();
  // A round soon, at most one in urgent_interval. Ignored while a pod is being cleaned up.
  void trigger();

  const node::NodePressure& pressure() const { return pressure_; }
  // For admission: see admitUnderPressure().
  Admission admit(const api::Pod& pod) const { return admitUnderPressure(pod, pressure_); }
  // Evictions by signal, for kubelet_evictions.
  const std::map<std::string, uint64_t>& evictions() const { return counts_; }
  bool hasPressureTrigger() const { return watch_.has_value(); }

 private:
  enum class Phase { kStopped, kIdle, kRunning, kCleaning };
  void startRound();
  void finishRound(RoundOutcome outcome);
  void wait(Duration delay);
  void watchCleanup();
  void report(const RoundOutcome& outcome);

  const EvictionOptions options_;
  const EvictionDependencies deps_;
  const EvictionCallbacks callbacks_;
  const std::shared_ptr<EvictionRound> round_;  // lives on the strand
  Strand strand_;
  Phase phase_ = Phase::kStopped;
  bool again_ = false;  // a stall was told while a round ran
  std::optional<PressureWatch> watch_;
  Registration timer_;
  std::optional<Stop> running_;
  SteadyTime round_started_;
  SteadyTime cleanup_since_;
  std::set<PodUid> cleaning_;
  std::set<PodUid> asked_;
  node::NodePressure pressure_;
  std::map<std::string, uint64_t> counts_;
  std::vector<std::string> last_notes_;
  std::shared_ptr<int> alive_;  // tells a late outcome that nobody waits for it
};

}  // namespace keelson::kubelet::eviction
