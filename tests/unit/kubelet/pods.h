// Pods, observations and records as literals.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <utility>

#include "api/defaults.h"
#include "api/object.h"
#include "api/validate.h"
#include "kubelet/pod_history.h"
#include "kubelet/pod_plan.h"
#include "kubelet/pod_status.h"
#include "kubelet/restart.h"

namespace keelson::kubelet {

inline const WallTime kNow{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

// The first object of a manifest, defaulted and with a uid.
inline api::Pod podFrom(const std::string& yaml) {
  auto manifest = api::decodeManifest(yaml);
  if (!manifest) {
    ADD_FAILURE() << manifest.error().text;
    return {};
  }
  api::Pod pod = api::defaultPod(std::get<api::Pod>(manifest->objects.at(0)));
  if (pod.metadata.uid.empty()) pod.metadata.uid = "uid-1";
  const auto valid = api::validatePod(pod);
  EXPECT_TRUE(valid) << (valid ? "" : valid.error().text);
  return pod;
}

inline api::Pod onePod(const std::string& restart_policy = "Always", const std::string& more_spec = "") {
  return podFrom("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  restartPolicy: " +
                 restart_policy + "\n" + more_spec + "  containers:\n  - {name: web, image: nginx:1}\n");
}

inline ContainerId idOf(const std::string& container, uint32_t attempt) {
  return ContainerId(container + "-" + std::to_string(attempt));
}

// One pod between desired and observed: the test moves the world, plan() and status() are what is tested.
struct PodWorld {
  api::Pod pod;
  PodObservation observed;
  PodRecord record;
  PlanPolicy policy{restartBackoff(seconds(300)), BackoffPolicy{}};
  std::vector<std::string> host_ips{"192.0.2.1"};
  WallTime now = kNow;

  explicit PodWorld(api::Pod pod_given) : pod(std::move(pod_given)) { record.admission = Admission{}; }

  // Every image is on the node.
  PodWorld& images(ImageState state = ImageState::kPresent) {
    for (const auto* list : {&pod.spec.init_containers, &pod.spec.containers}) {
      for (const auto& container : *list) observed.images[container.name].state = state;
    }
    return *this;
  }
  PodWorld& sandbox(uint32_t attempt = 0) {
    observed.runtime.sandbox = runtime::SandboxPhase::kReady;
    observed.runtime.sandbox_attempt = attempt;
    observed.volumes = StepState::kReady;
    record.next_sandbox = attempt + 1;
    record.attached_sandbox = attempt;
    record.pod_ips = {"10.244.0.2"};
    return *this;
  }
  PodWorld& running(const std::string& container, uint32_t attempt = 0) {
    runtime::ObservedContainer seen;
    seen.id = idOf(container, attempt);
    seen.name = container;
    seen.attempt = attempt;
    seen.running = true;
    seen.started_at = now;
    observed.runtime.containers.push_back(seen);
    return *this;
  }
  PodWorld& exited(const std::string& container, int code, uint32_t attempt = 0) {
    running(container, attempt);
    return end(container, code);
  }
  // The running instance ends now.
  PodWorld& end(const std::string& container, int code, int signal = 0, bool oom = false) {
    for (auto& seen : observed.runtime.containers) {
      if (seen.name != container || !seen.running) continue;
      seen.running = false;
      seen.exit_code = code;
      seen.signal = signal;
      seen.oom_killed = oom;
      seen.finished_at = now;
    }
    return *this;
  }
  PodWorld& fold() {
    record = recordObserved(pod, observed.runtime, {}, std::move(record), now);
    return *this;
  }
  PodWorld& pass(Duration time) {
    now += time;
    return *this;
  }
  PodWorld& remove(Duration grace = seconds(30)) {
    record.deletion = Deletion{now, grace};
    return *this;
  }

  Plan plan() {
    fold();
    return planPod(pod, observed, record, policy, now);
  }
  std::string text() { return renderPlan(plan(), now); }
  api::PodStatus status() {
    fold();
    return podStatus({pod, observed, record, host_ips, policy.restart, now});
  }

  // Does what a plan says, everything succeeding at once; images that are asked for arrive.
  void apply(const Plan& todo) {
    for (const auto& action : todo.actions) std::visit([this](const auto& one) { done(one); }, action);
  }

 private:
  void done(const RequestImage& a) {
    for (const auto* list : {&pod.spec.init_containers, &pod.spec.containers}) {
      for (const auto& container : *list) {
        if (container.image == a.image) observed.images[container.name].state = ImageState::kPulled;
      }
    }
  }
  void done(const MakeSandbox& a) {
    observed.runtime.sandbox = runtime::SandboxPhase::kReady;
    observed.runtime.sandbox_attempt = a.attempt;
  }
  void done(const AttachNetwork&) {
    record.attached_sandbox = observed.runtime.sandbox_attempt;
    record.pod_ips = {"10.244.0.2"};
  }
  void done(const PrepareVolumes&) { observed.volumes = StepState::kReady; }
  void done(const OpenMounts& a) { observed.mounts[a.container] = StepState::kReady; }
  void done(const StartContainer& a) {
    auto& known = record.containers[a.container];
    if (known.current && known.current->exit) {
      known.backoff = afterRestart(policy.restart, known.backoff, *known.current->exit->finished_at, now);
    }
    if (known.current) known.previous = known.current;
    InstanceRecord instance;
    instance.id = idOf(a.container, a.attempt);
    instance.attempt = a.attempt;
    instance.sandbox_attempt = observed.runtime.sandbox_attempt;
    for (const auto* list : {&pod.spec.init_containers, &pod.spec.containers}) {
      for (const auto& container : *list) {
        if (container.name == a.container) instance.image = container.image;
      }
    }
    instance.started_at = now;
    known.current = instance;
    known.next_attempt = a.attempt + 1;
    running(a.container, a.attempt);
    if (observed.images[a.container].state == ImageState::kPulled) {
      observed.images[a.container].state = ImageState::kPresent;
    }
  }
  void done(const RunHook& a) {
    for (auto& [name, container] : record.containers) {
      if (!container.current || container.current->id != a.id) continue;
      auto& hook =
          a.kind == HookKind::kPostStart ? container.current->post_start : container.current->pre_stop;
      hook = {HookPhase::kBegun, now, ""};
      if (a.until) container.current->stop_by = a.until;
    }
  }
  void done(const StopContainer& a) {
    for (auto& [name, container] : record.containers) {
      if (container.current && container.current->id == a.id) container.current->kill_at = now + a.grace;
    }
  }
  void done(const RemoveContainer& a) {
    std::erase_if(observed.runtime.containers, [&](const auto& seen) { return seen.id == a.id; });
  }
  void done(const TearDown&) {
    observed.runtime = {};
    observed.volumes = StepState::kNone;
    record.attached_sandbox.reset();
  }
  void done(const ReleasePod&) {}
};

}  // namespace keelson::kubelet
