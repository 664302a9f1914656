// What to do next for a pod: the decision, without any effect.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "api/pod.h"
#include "base/backoff.h"
#include "kubelet/pod_observation.h"
#include "kubelet/pod_record.h"

namespace keelson::kubelet {

// ---- actions, in the order they are done ----

struct RequestImage {  // fetch on lane images; the strand is woken when it is here
  std::string container;
  std::string image;
};
struct MakeSandbox {
  uint32_t attempt = 0;
};
struct AttachNetwork {};
// Directories and tmpfs of the pod's volumes at once; host paths that need a check on lane volumes.
struct PrepareVolumes {};
struct OpenMounts {  // host paths of one container's next instance, on lane volumes
  std::string container;
};
struct StartContainer {
  std::string container;
  uint32_t attempt = 0;
};
// From now on the hook is under way. A preStop hook begins the stop: SIGKILL is armed, so that the grace
// period ends also without the daemon; for one that runs only `until` changes.
struct RunHook {
  std::string container;
  ContainerId id;
  HookKind kind = HookKind::kPostStart;
  std::optional<WallTime> until;  // preStop: when the grace period is over
  std::string why;                // preStop: the message of its event Killing, "" for none
};
struct StopContainer {
  std::string container;
  ContainerId id;
  int signal = 15;
  Duration grace{0};
  std::string why;  // the event's message, "" for none: it was told before a hook
};
struct RemoveContainer {  // the runtime's record, the writable layer and the log files of a dead instance
  std::string container;
  ContainerId id;
  uint32_t attempt = 0;
};
// Everything of the sandbox and its network; what is remembered stays.
struct TearDown {
  std::string why;  // "" when its time has come, else what went wrong
};
// The last step of a deleted pod: volumes, files, logs, links, record.
struct ReleasePod {};

using Action = std::variant<RequestImage, MakeSandbox, AttachNetwork, PrepareVolumes, OpenMounts,
                            StartContainer, RunHook, StopContainer, RemoveContainer, TearDown, ReleasePod>;

struct Plan {
  std::vector<Action> actions;
  std::optional<WallTime> wake_at;  // when to look again although nothing happened
  std::vector<std::string> waits;   // "image nginx:stable-alpine", "back-off 40s of container web"
};

struct PlanPolicy {
  BackoffPolicy restart;
  BackoffPolicy pull;
};

// Every container gets at least this between its stop signal and SIGKILL.
inline constexpr Duration kMinGrace = std::chrono::seconds(2);
// A container that still runs this long after its SIGKILL is the sandbox's tear-down to end.
inline constexpr Duration kKillMargin = std::chrono::seconds(5);

// The next steps of one pod; pure. Actions may rely on those before them having succeeded; what waits
// for something asynchronous is left to a later look. `record` has been through recordObserved().
Plan planPod(const api::Pod& pod, const PodObservation& observed, const PodRecord& record,
             const PlanPolicy& policy, WallTime now);

// Whether a volume of this pod or container needs lane volumes: the kernel may block on the path.
bool hasHostPaths(const api::Pod& pod);
bool mountsHostPath(const api::Pod& pod, const api::Container& container);

// One line an action, a wait or the wake-up: for golden tests and the log.
std::string renderPlan(const Plan& plan, WallTime now);
std::string renderAction(const Action& action);

}  // namespace keelson::kubelet
