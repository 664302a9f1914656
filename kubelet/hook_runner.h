// Runs the lifecycle hooks of all containers of the node.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/pod.h"
#include "kubelet/hook_record.h"
#include "probes/prober.h"

namespace keelson::kubelet {

// A hook that is to run now.
struct HookOrder {
  ContainerId id;
  HookKind kind = HookKind::kPostStart;
  api::PodPtr pod;
  std::string container;  // its name in the pod's spec
  std::string address;    // of the pod; the node's for a pod on the host's network
  WallTime begun;         // a sleep of an earlier life goes on
  std::optional<WallTime> until;
};

struct HookResult {
  PodUid uid;
  ContainerId id;
  HookKind kind = HookKind::kPostStart;
  bool success = false;
  std::string message;  // of a failure, in the words of Kubernetes
};

// Called on the loop; must not call the runner back from inside.
class HookListener {
 public:
  virtual ~HookListener() = default;
  virtual void onHookEnded(const HookResult& result) = 0;
  // "LifecycleHTTPFallback", ... Always a Warning.
  virtual void onHookEvent(const PodUid& uid, const std::string& container, const std::string& reason,
                           const std::string& message) = 0;
};

// Level-triggered: told which hooks are under way, it runs exactly those, each once; what is ordered no more
// is given up, its command killed. Without a thread or a process of its own. Home: loop. The three given
// outlive it.
class HookRunner {
 public:
  HookRunner(const probes::Effects& effects, probes::ExecProbes& exec, HookListener& listener);
  ~HookRunner();

  // All hooks of this pod that are under way. One that stays goes on, also after its end.
  void setHooks(const PodUid& uid, std::vector<HookOrder> orders);
  void stop();  // gives all up; the next life runs them again

 private:
  class Run;
  using Key = std::pair<ContainerId, HookKind>;

  const probes::Effects effects_;
  probes::ExecProbes& exec_;
  HookListener& listener_;
  std::map<PodUid, std::map<Key, std::unique_ptr<Run>>> pods_;
};

}  // namespace keelson::kubelet
