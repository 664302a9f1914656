// Ends the pods in order when the machine shuts down.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/executor.h"
#include "kubelet/node/logind.h"
#include "kubelet/node/node_events.h"
#include "kubelet/node/shutdown_plan.h"

namespace keelson::kubelet::node {

inline constexpr char kShutdownReason[] = "Terminated";
inline constexpr char kShutdownMessage[] = "Pod was terminated in response to imminent node shutdown.";
inline constexpr char kShutdownProblem[] = "node is shutting down";
// What admission says of new pods meanwhile.
inline constexpr char kShutdownAdmissionReason[] = "NodeShutdown";
inline constexpr char kShutdownAdmissionMessage[] = "Pod was rejected as the node is shutting down.";

// Effects. All outlive the manager and run on the loop.
struct ShutdownDependencies {
  Loop& loop;
  Clock& clock;
  std::function<Result<std::unique_ptr<Logind>>()>
      connect;                                     // connectLogind; asked again when the bus is lost
  std::function<std::vector<ShutdownPod>()> pods;  // those with something that still runs
  // End this pod within `grace`: phase Failed (unless it Succeeded), with this reason and message, condition
  // DisruptionTarget with reason TerminationByKubelet.
  std::function<void(const PodUid&, Duration grace, const std::string& reason, const std::string& message)>
      end_pod;
  std::function<void()> changed;  // isShuttingDown() did: report the node's status now
  NodeEventSink on_event;
};

// Holds logind's delay lock from start() on. At PrepareForShutdown: the node is not ready, new pods are
// refused, pods end group by group (planShutdown); then the lock goes and the machine with it. A shutdown
// that is called off lets the node be ready again. Without a system bus the feature is off, which is logged
// once. Home: loop.
class ShutdownManager {
 public:
  ShutdownManager(ShutdownDependencies dependencies, std::vector<ShutdownPeriod> periods);
  ~ShutdownManager();
  void start();  // does nothing when `periods` is empty or all zero
  void stop();   // releases the lock

  bool isShuttingDown() const { return shutting_down_; }
  bool holdsLock() const { return lock_.valid(); }
  // A pod ended (or anything about pods changed): the next group may go.
  void onPodsChanged();

  // For the metrics graceful_shutdown_start_time_seconds and graceful_shutdown_end_time_seconds.
  std::optional<WallTime> startedAt() const { return started_at_; }
  std::optional<WallTime> endedAt() const { return ended_at_; }

 private:
  void connect();
  void raiseDelay(Duration current);
  void checkDelay();
  void acquire();
  void onPrepare(bool begins);
  void onLost(const Error& error);
  void nextGroup();
  void finish();

  ShutdownDependencies dependencies_;
  std::vector<ShutdownPeriod> periods_;
  std::unique_ptr<Logind> logind_;
  UniqueFd lock_;
  bool running_ = false, shutting_down_ = false, was_connected_ = false;
  int delay_checks_ = 0;
  std::vector<ShutdownGroup> groups_;  // those still to end, next first
  std::set<PodUid> waiting_for_;       // of the group that ends now
  std::optional<WallTime> started_at_, ended_at_;
  Registration timer_, group_timer_, reconnect_;
};

}  // namespace keelson::kubelet::node
