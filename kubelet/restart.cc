#include "kubelet/restart.h"

#include <algorithm>

namespace keelson::kubelet {
namespace {

bool matches(const api::ContainerRestartRule& rule, int32_t exit_code) {
  if (!rule.exit_codes) return false;
  const auto& values = rule.exit_codes->values;
  const bool listed = std::find(values.begin(), values.end(), exit_code) != values.end();
  return rule.exit_codes->operator_ == "In" ? listed : !listed;
}

const std::string& policyOf(const api::PodSpec& spec, const api::Container& container) {
  return container.restart_policy.empty() ? spec.restart_policy : container.restart_policy;
}

}  // namespace

ContainerKind initKind(const api::Container& container) {
  return container.restart_policy == "Always" ? ContainerKind::kSidecar : ContainerKind::kInit;
}

bool restartsAfter(const api::PodSpec& spec, const api::Container& container, ContainerKind kind,
                   const api::ContainerStateTerminated& exit) {
  if (kind == ContainerKind::kSidecar) return true;
  for (const auto& rule : container.restart_policy_rules) {
    if (rule.action == "Restart" && matches(rule, exit.exit_code)) return true;
  }
  const std::string& policy = policyOf(spec, container);
  if (policy == "Never") return false;
  // An init container has done its work once it exits 0, whatever the pod's policy.
  if (policy == "OnFailure" || kind == ContainerKind::kInit) return exit.exit_code != 0;
  return true;
}

bool neverRestarts(const api::PodSpec& spec, const api::Container& container) {
  return policyOf(spec, container) == "Never";
}

bool restarts(const api::PodSpec& spec, const api::Container& container, ContainerKind kind,
              const InstanceRecord& ended) {
  if (!ended.failed_probe.empty() && !neverRestarts(spec, container)) return true;
  return restartsAfter(spec, container, kind, *ended.exit);
}

BackoffPolicy restartBackoff(Duration longest) {
  BackoffPolicy policy;
  policy.max = longest;
  policy.initial = std::min(policy.initial, longest);
  return policy;
}

WallTime restartAt(const BackoffPolicy& policy, const Backoff& backoff, WallTime finished_at) {
  if (backoff.delay == Duration{0} || !backoff.updated) return finished_at;
  if (finished_at - *backoff.updated > policy.reset_after) return finished_at;
  return finished_at + backoff.delay;
}

Backoff afterRestart(const BackoffPolicy& policy, const Backoff& backoff, WallTime finished_at,
                     WallTime now) {
  // Whether it starts anew depends on the exit, not on the wait that followed it.
  Backoff next = backoff.next(policy, finished_at);
  next.updated = now;
  return next;
}

}  // namespace keelson::kubelet
