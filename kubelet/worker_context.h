// What all pod workers share: configuration, effects, and the way back to the loop.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "kubelet/admission.h"
#include "kubelet/hook_runner.h"
#include "kubelet/kubelet.h"
#include "kubelet/log_files.h"
#include "kubelet/object_store.h"
#include "kubelet/pod_plan.h"
#include "kubelet/token_source.h"
#include "probes/prober.h"

namespace keelson::kubelet {

// How a worker speaks to the loop. Calls come from strands; the receiver posts.
class WorkerHost {
 public:
  virtual ~WorkerHost() = default;
  virtual void podChanged(const PodUid& uid) = 0;
  // One occurrence of an event.
  virtual void podEvent(const api::PodPtr& pod, const Event& event) = 0;
  // The instances of this pod whose probes are to be run from now on.
  virtual void setProbed(const PodUid& uid, std::vector<probes::Subject> subjects) = 0;
  // The hooks of this pod that are under way from now on.
  virtual void setHooks(const PodUid& uid, std::vector<HookOrder> orders) = 0;
  // Replaces an earlier wake-up of this pod.
  virtual void wakeAfter(const PodUid& uid, Duration delay) = 0;
  // The pod and everything of it is gone.
  virtual void podGone(const PodUid& uid) = 0;
};

// Made once by the kubelet, kept alive by every task that is under way. Immutable but for the members that
// say so; any thread.
struct WorkerContext {
  WorkerContext(const Options& options_given, const Dependencies& dependencies);

  const Options options;
  const Dependencies deps;
  const LogFiles logs;
  const PlanPolicy policy;
  const std::vector<std::string> host_ips;
  const std::string node_hostname;  // of the node's UTS namespace
  const WallTime started_at;        // of this life of the daemon
  Guarded<ObjectStorePtr> objects{std::make_shared<const ObjectStore>()};
  Guarded<api::StringMap> node_labels;
  Guarded<std::shared_ptr<TokenSource>> tokens;  // null without an API server
  Guarded<std::shared_ptr<WorkerHost>> host;

  Stop pulls;                         // cancelled when the kubelet stops
  std::atomic<bool> stopping{false};  // no new action begins
  std::atomic<int> busy{0};           // tasks that act on pods and wait or run; see Busy

  NodeFacts nodeFacts() const;
};

using WorkerContextPtr = std::shared_ptr<WorkerContext>;

// Counts one task as long as it lives; stop() waits until none is left.
class Busy {
 public:
  explicit Busy(WorkerContextPtr context) : context_(std::move(context)) { ++context_->busy; }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  ~Busy() {
    if (--context_->busy == 0) context_->busy.notify_all();
  }

 private:
  WorkerContextPtr context_;
};

// One short call into runtime or network may take this long.
inline constexpr Duration kCallDeadline = std::chrono::seconds(10);
// A look at a pod: a shim that hangs must not hold up the lane for longer.
inline constexpr Duration kStatusDeadline = std::chrono::seconds(2);
// One job with host paths.
inline constexpr Duration kHostPathDeadline = std::chrono::seconds(30);

}  // namespace keelson::kubelet
