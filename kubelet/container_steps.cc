#include "kubelet/container_steps.h"

#include <algorithm>

#include "kubelet/container_stop.h"
#include "kubelet/restart.h"
#include "kubelet/text.h"

namespace keelson::kubelet {
namespace {

const ContainerRecord* find(const PodRecord& record, const std::string& name) {
  const auto found = record.containers.find(name);
  return found == record.containers.end() ? nullptr : &found->second;
}

// The attempt of the sandbox that is, or will be made next.
uint32_t sandboxNow(const PodObservation& observed, const PodRecord& record) {
  return observed.ready() ? observed.runtime.sandbox_attempt : record.next_sandbox;
}

class Steps {
 public:
  Steps(const api::Pod& pod, const PodObservation& observed, const PodRecord& record,
        const BackoffPolicy& policy, WallTime now)
      : pod_(pod), observed_(observed), record_(record), policy_(policy), now_(now) {}

  std::vector<ContainerStep> all() {
    const bool apps_seen = appStarted();
    for (const auto& container : pod_.spec.init_containers) {
      if (initKind(container) == ContainerKind::kSidecar) {
        const bool going = sidecar(container);
        // Until the app containers have run, the order counts: nothing passes a sidecar that is not up.
        if (!going && !apps_seen) return std::move(steps_);
      } else if (!apps_seen && !init(container)) {
        return std::move(steps_);
      }
    }
    for (const auto& container : pod_.spec.containers) app(container);
    return std::move(steps_);
  }

  bool appStarted() const {
    return std::any_of(pod_.spec.containers.begin(), pod_.spec.containers.end(),
                       [&](const auto& container) { return inThisSandbox(container) != nullptr; });
  }

  // The newest instance, if it belongs to the present sandbox.
  const InstanceRecord* inThisSandbox(const api::Container& container) const {
    const ContainerRecord* known = find(record_, container.name);
    if (known == nullptr || !known->current) return nullptr;
    return known->current->sandbox_attempt == sandboxNow(observed_, record_) ? &*known->current : nullptr;
  }

 private:
  // True when the next one may go.
  bool init(const api::Container& container) {
    const InstanceRecord* instance = inThisSandbox(container);
    if (instance == nullptr) {
      start(container);
      return false;
    }
    if (!instance->exit) {
      steps_.push_back({ContainerStep::Kind::kWait, &container, 0,
                        fmt::format("init container {}", container.name), std::nullopt});
      return false;
    }
    if (instance->exit->exit_code == 0) return true;
    if (restarts(pod_.spec, container, ContainerKind::kInit, *instance)) start(container);
    return false;
  }

  bool sidecar(const api::Container& container) {
    const InstanceRecord* instance = inThisSandbox(container);
    if (instance != nullptr && !instance->exit) {
      running(container, *instance);
      if (isStarted(container, *instance)) return true;
      if (!awaitsPostStart(container, *instance)) {
        steps_.push_back({ContainerStep::Kind::kWait, &container, 0,
                          fmt::format("startup of container {}", container.name), std::nullopt});
      }
      return false;
    }
    start(container);
    return false;
  }

  void app(const api::Container& container) {
    const ContainerRecord* known = find(record_, container.name);
    if (known == nullptr || !known->current) {
      start(container);
      return;
    }
    const InstanceRecord& instance = *known->current;
    if (!instance.exit) return running(container, instance);
    const bool changed = instance.image != container.image;
    if (changed || restarts(pod_.spec, container, ContainerKind::kApp, instance)) start(container);
  }

  void running(const api::Container& container, const InstanceRecord& instance) {
    const bool replace = instance.image != container.image || !instance.failed_probe.empty() ||
                         instance.post_start.phase == HookPhase::kFailed;
    if (replace) {
      steps_.push_back({ContainerStep::Kind::kReplace, &container, 0, "", std::nullopt});
    } else if (awaitsPostStart(container, instance)) {
      steps_.push_back({ContainerStep::Kind::kPostStart, &container, 0,
                        fmt::format("postStart hook of container {}", container.name), std::nullopt});
    }
  }

  void start(const api::Container& container) {
    const ContainerRecord* known = find(record_, container.name);
    const bool changed = known != nullptr && known->current && known->current->image != container.image;
    if (known != nullptr && !changed) {
      if (const auto wait = restartWait(*known, policy_, now_)) {
        steps_.push_back({ContainerStep::Kind::kWait, &container, 0,
                          fmt::format("back-off {} of container {}", goDuration(wait->delay), container.name),
                          wait->until});
        return;
      }
    }
    const auto failure = observed_.start_failures.find(container.name);
    if (failure != observed_.start_failures.end() && now_ < failure->second.retry_at) {
      steps_.push_back({ContainerStep::Kind::kWait, &container, 0,
                        fmt::format("container {}: {}: {}", container.name, failure->second.reason,
                                    failure->second.message),
                        failure->second.retry_at});
      return;
    }
    steps_.push_back({ContainerStep::Kind::kStart, &container, known == nullptr ? 0 : known->next_attempt, "",
                      std::nullopt});
  }

  const api::Pod& pod_;
  const PodObservation& observed_;
  const PodRecord& record_;
  const BackoffPolicy& policy_;
  const WallTime now_;
  std::vector<ContainerStep> steps_;
};

}  // namespace

bool isStarted(const api::Container& container, const InstanceRecord& instance) {
  if (hasPostStart(container) && instance.post_start.phase != HookPhase::kDone) return false;
  return !container.startup_probe || instance.started.value_or(false);
}

std::optional<RestartWait> restartWait(const ContainerRecord& container, const BackoffPolicy& policy,
                                       WallTime now) {
  if (!container.current || !container.current->exit) return std::nullopt;
  const WallTime finished = container.current->exit->finished_at.value_or(now);
  const WallTime until = restartAt(policy, container.backoff, finished);
  if (now >= until) return std::nullopt;
  return RestartWait{container.backoff.delay, until};
}

std::vector<ContainerStep> containerSteps(const api::Pod& pod, const PodObservation& observed,
                                          const PodRecord& record, const BackoffPolicy& policy,
                                          WallTime now) {
  return Steps(pod, observed, record, policy, now).all();
}

bool initialized(const api::Pod& pod, const PodObservation& observed, const PodRecord& record) {
  const BackoffPolicy policy;
  const Steps steps(pod, observed, record, policy, WallTime{});
  if (steps.appStarted()) return true;
  return std::all_of(pod.spec.init_containers.begin(), pod.spec.init_containers.end(),
                     [&](const auto& container) {
                       const InstanceRecord* instance = steps.inThisSandbox(container);
                       if (instance == nullptr) return false;
                       if (initKind(container) == ContainerKind::kSidecar)
                         return !instance->exit && isStarted(container, *instance);
                       return instance->exit && instance->exit->exit_code == 0;
                     });
}

}  // namespace keelson::kubelet
