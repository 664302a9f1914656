#include "kubelet/pod_plan.h"

#include <algorithm>

#include "kubelet/container_steps.h"
#include "kubelet/container_stop.h"
#include "kubelet/image_wait.h"
#include "kubelet/pod_ending.h"
#include "kubelet/restart.h"

namespace keelson::kubelet {
namespace {

// Collects the steps of a pod that shall run.
class RunPlanner {
 public:
  RunPlanner(const api::Pod& pod, const PodObservation& observed, const PodRecord& record,
             const PlanPolicy& policy, WallTime now)
      : pod_(pod), observed_(observed), record_(record), policy_(policy), now_(now) {}

  Plan plan() {
    if (observed_.runtime.sandbox == runtime::SandboxPhase::kLost) {
      if (!held()) out_.actions.push_back(TearDown{"Pod sandbox changed, it will be killed and re-created."});
      return std::move(out_);
    }
    if (observed_.absent() && record_.attached_sandbox) {
      // The network of a sandbox that is gone (a reboot, a shim's death) is not the next one's.
      if (!held()) out_.actions.push_back(TearDown{"Pod sandbox changed, it will be killed and re-created."});
      return std::move(out_);
    }
    const auto starts = chooseStarts();
    for (const auto& start : starts) requestImage(*start.step.spec);
    const bool sandbox_comes = prepareSandbox();
    bool held = false;
    for (const auto& start : starts) {
      if (!sandbox_comes || start.held || held) continue;
      startContainer(start.step);
      held = hasPostStart(*start.step.spec) && imageComes(*start.step.spec);
    }
    removeDead();
    if (pod_.spec.active_deadline_seconds && record_.start_time) {
      wakeAt(*record_.start_time + std::chrono::seconds(*pod_.spec.active_deadline_seconds));
    }
    return std::move(out_);
  }

 private:
  void wakeAt(WallTime time) {
    if (!out_.wake_at || time < *out_.wake_at) out_.wake_at = time;
  }
  void wait(std::string what) { out_.waits.push_back(std::move(what)); }

  // A step of the whole pod failed a moment ago.
  bool held() {
    if (!observed_.pod_failure || now_ >= observed_.pod_failure->retry_at) return false;
    wait(fmt::format("retry after {}: {}", observed_.pod_failure->reason, observed_.pod_failure->message));
    wakeAt(observed_.pod_failure->retry_at);
    return true;
  }

  // Containers start in the order of the spec, each after the postStart hooks of those before it.
  struct Start {
    ContainerStep step;
    bool held = false;
  };

  std::vector<Start> chooseStarts() {
    std::vector<Start> starts;
    bool held = false;
    for (auto& step : containerSteps(pod_, observed_, record_, policy_.restart, now_)) {
      switch (step.kind) {
        case ContainerStep::Kind::kStart:
          starts.push_back({std::move(step), held});
          break;
        case ContainerStep::Kind::kReplace:
          replace(*step.spec, *record_.containers.at(step.spec->name).current);
          break;
        case ContainerStep::Kind::kPostStart:
          postStart(step);
          held = true;
          break;
        case ContainerStep::Kind::kWait:
          wait(std::move(step.wait));
          if (step.until) wakeAt(*step.until);
          break;
      }
    }
    return starts;
  }

  // A probe may have a grace period of its own for what it ends.
  Duration replaceGrace(const api::Container& container, const InstanceRecord& instance) const {
    const auto& probe =
        instance.failed_probe == "liveness" ? container.liveness_probe : container.startup_probe;
    if (!instance.failed_probe.empty() && probe && probe->termination_grace_period_seconds)
      return std::chrono::seconds(*probe->termination_grace_period_seconds);
    return specGrace(pod_);
  }

  // Kubernetes' words.
  std::string replaceReason(const api::Container& container, const InstanceRecord& instance) const {
    if (instance.post_start.phase == HookPhase::kFailed) return "FailedPostStartHook";
    if (instance.failed_probe.empty())
      return fmt::format("Container {} definition changed, will be restarted", container.name);
    const auto& inits = pod_.spec.init_containers;
    const bool is_init = std::any_of(inits.begin(), inits.end(),
                                     [&](const auto& init) { return init.name == container.name; });
    if (is_init)
      return fmt::format("Init container {} failed {} probe", container.name, instance.failed_probe);
    return fmt::format("Container {} failed {} probe{}", container.name, instance.failed_probe,
                       neverRestarts(pod_.spec, container) ? "" : ", will be restarted");
  }

  void postStart(const ContainerStep& step) {
    const InstanceRecord& instance = *record_.containers.at(step.spec->name).current;
    if (instance.post_start.phase == HookPhase::kNone)
      out_.actions.push_back(RunHook{step.spec->name, instance.id, HookKind::kPostStart, std::nullopt, ""});
    wait(step.wait);
  }

  void replace(const api::Container& container, const InstanceRecord& instance) {
    const WallTime end = stopEnd(&instance, now_ + replaceGrace(container, instance));
    const StopStep step = stopStep(&container, &instance, end, now_);
    const std::string why = instance.stop_by ? "" : replaceReason(container, instance);
    if (step == StopStep::kBeginHook)
      out_.actions.push_back(RunHook{container.name, instance.id, HookKind::kPreStop, end, why});
    if (step != StopStep::kSignal) {
      wait(fmt::format("preStop hook of container {}", container.name));
      return wakeAt(end);
    }
    if (!instance.kill_at) {
      out_.actions.push_back(StopContainer{container.name, instance.id, instance.stop_signal,
                                           std::max(kMinGrace, Duration(end - now_)), why});
    }
    wait(fmt::format("grace period of container {}", container.name));
  }

  const PullFailure* pullFailure(const api::Container& container) const {
    const auto found = record_.pulls.find(container.image);
    return found == record_.pulls.end() ? nullptr : &found->second;
  }
  ImageObservation image(const api::Container& container) const {
    const auto found = observed_.images.find(container.name);
    return found == observed_.images.end() ? ImageObservation{} : found->second;
  }

  bool imageReady(const api::Container& container) const {
    const ImageState state = image(container).state;
    return state == ImageState::kPulled ||
           (state == ImageState::kPresent && container.image_pull_policy != "Always");
  }

  // Whether it is here or on its way, rather than failing.
  bool imageComes(const api::Container& container) const {
    if (imageReady(container)) return true;
    const ImageState state = image(container).state;
    const bool fails = state == ImageState::kBadName || state == ImageState::kUnreadable ||
                       container.image_pull_policy == "Never";
    return !fails && pullFailure(container) == nullptr;
  }

  void requestImage(const api::Container& container) {
    if (imageReady(container)) return;
    const ImageObservation seen = image(container);
    const PullFailure* failure = pullFailure(container);
    wait("image " + container.image);
    if (seen.state == ImageState::kPulling) return;
    const bool never = container.image_pull_policy == "Never";
    if (seen.state == ImageState::kBadName || seen.state == ImageState::kUnreadable || never) {
      return;  // looked at again by the slow resync: the image may be imported meanwhile
    }
    if (failure != nullptr) {
      const WallTime retry_at = failure->failed_at + failure->backoff.delay;
      if (now_ < retry_at) {
        wakeAt(retry_at);
        // The shown reason changes then, from the error to the back-off.
        if (now_ < failure->failed_at + kPullErrorShown) wakeAt(failure->failed_at + kPullErrorShown);
        return;
      }
    }
    // Several containers may use one image: one fetch for those that accept any copy of it.
    for (const auto& action : out_.actions) {
      const auto* other = std::get_if<RequestImage>(&action);
      if (other != nullptr && other->image == container.image) return;
    }
    out_.actions.push_back(RequestImage{container.name, container.image});
  }

  // Whether sandbox, network and volumes will be there once the actions so far are done.
  bool prepareSandbox() {
    const bool needs_network =
        !record_.attached_sandbox || *record_.attached_sandbox != observed_.runtime.sandbox_attempt;
    const bool complete = observed_.ready() && !needs_network && observed_.volumes == StepState::kReady;
    if (complete) return true;
    if (observed_.volumes == StepState::kWorking) {
      wait("volumes");
      return false;
    }
    if (held()) return false;
    if (observed_.absent()) out_.actions.push_back(MakeSandbox{record_.next_sandbox});
    if (observed_.absent() || needs_network) out_.actions.push_back(AttachNetwork{});
    if (observed_.absent() || observed_.volumes != StepState::kReady) {
      out_.actions.push_back(PrepareVolumes{});
      if (hasHostPaths(pod_)) {
        wait("volumes");
        return false;
      }
    }
    return true;
  }

  void startContainer(const ContainerStep& start) {
    const api::Container& container = *start.spec;
    if (!imageReady(container)) return;
    if (mountsHostPath(pod_, container)) {
      const auto found = observed_.mounts.find(container.name);
      const StepState state = found == observed_.mounts.end() ? StepState::kNone : found->second;
      if (state != StepState::kReady) {
        wait(fmt::format("host paths of container {}", container.name));
        if (state == StepState::kNone) out_.actions.push_back(OpenMounts{container.name});
        return;
      }
    }
    out_.actions.push_back(StartContainer{container.name, start.attempt});
  }

  // Keeps the newest dead instance of each container, for `logs --previous`.
  void removeDead() {
    for (const auto& container : observed_.runtime.containers) {
      if (container.running) continue;
      const auto known = record_.containers.find(container.name);
      if (known == record_.containers.end() || !known->second.current) continue;
      const InstanceRecord& current = *known->second.current;
      if (container.id == current.id) continue;
      const bool is_newest_dead =
          known->second.previous && known->second.previous->id == container.id && !current.exit;
      if (is_newest_dead) continue;
      out_.actions.push_back(RemoveContainer{container.name, container.id, container.attempt});
    }
  }

  const api::Pod& pod_;
  const PodObservation& observed_;
  const PodRecord& record_;
  const PlanPolicy& policy_;
  const WallTime now_;
  Plan out_;
};

bool isHostPath(const api::Pod& pod, const std::string& volume_name) {
  for (const auto& volume : pod.spec.volumes) {
    if (volume.name == volume_name) return volume.host_path.has_value();
  }
  return false;
}

}  // namespace

bool mountsHostPath(const api::Pod& pod, const api::Container& container) {
  return std::any_of(container.volume_mounts.begin(), container.volume_mounts.end(),
                     [&](const auto& mount) { return isHostPath(pod, mount.name); });
}

bool hasHostPaths(const api::Pod& pod) {
  const auto any = [&](const auto& list) {
    return std::any_of(list.begin(), list.end(),
                       [&](const auto& container) { return mountsHostPath(pod, container); });
  };
  return any(pod.spec.init_containers) || any(pod.spec.containers);
}

Plan planPod(const api::Pod& pod, const PodObservation& observed, const PodRecord& record,
             const PlanPolicy& policy, WallTime now) {
  const bool rejected = record.admission && !record.admission->admitted;
  if (record.deletion || record.ending || rejected) return planEnding(pod, observed, record, now);
  return RunPlanner(pod, observed, record, policy, now).plan();
}

}  // namespace keelson::kubelet
