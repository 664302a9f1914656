#include "kubelet/eviction/eviction_round.h"

#include <algorithm>
#include <string_view>

namespace keelson::kubelet::eviction {

RoundOutcome EvictionRound::run(const Pods& pods, const std::set<PodUid>& asked, Stop& stop) {
  RoundOutcome outcome;
  outcome.pressure = state_.pressure;
  const auto node = observer_.node(stop);
  if (!node) {
    outcome.notes.push_back("eviction: " + node.error().text);
    return outcome;
  }
  const stats::DiskLayout layout = stats::diskLayout(*node);
  const std::vector<Threshold>& thresholds = thresholdsFor(layout, outcome);
  Evaluation seen =
      evaluate(state_, thresholds, observe(*node), policy_.pressure_transition_period, clock_.steady());
  state_ = std::move(seen.state);
  outcome.pressure = state_.pressure;
  outcome.near_memory = isNearMemoryThreshold(thresholds, state_.observations);

  Pods candidates;
  std::copy_if(pods.begin(), pods.end(), std::back_inserter(candidates), [&](const api::PodPtr& pod) {
    return !isCritical(*pod) && asked.count(PodUid{pod->metadata.uid}) == 0;
  });
  if (policy_.local_storage_isolation) {
    outcome.evictions = limitEvictions(candidates, layout, stop);
    if (!outcome.evictions.empty()) return outcome;
  }
  if (seen.to_act.empty()) return outcome;

  const Threshold threshold = seen.to_act.front();
  outcome.reclaiming = resourceOf(threshold.signal);
  if (reclaimed(pods, threshold.signal, layout, outcome, stop)) return outcome;
  if (candidates.empty()) {
    outcome.notes.push_back(
        fmt::format("eviction: the node is low on {}, but no pod is there to evict", outcome.reclaiming));
    return outcome;
  }
  const auto ranked = rankForEviction(measured(candidates, threshold.signal, stop), threshold.signal, layout);
  outcome.evictions.push_back(pressureEviction(ranked.front(), threshold, seen.to_act, state_.observations,
                                               policy_.max_pod_grace_seconds));
  return outcome;
}

const std::vector<Threshold>& EvictionRound::thresholdsFor(const stats::DiskLayout& layout,
                                                           RoundOutcome& outcome) {
  if (layout_ == layout) return thresholds_;
  WithContainerfs derived =
      withContainerfs(policy_.thresholds, layout.dedicated_imagefs && !layout.split_containerfs);
  thresholds_ = std::move(derived.thresholds);
  if (!layout_) outcome.notes = std::move(derived.ignored);
  layout_ = layout;
  return thresholds_;
}

std::vector<Eviction> EvictionRound::limitEvictions(const Pods& pods, const stats::DiskLayout& layout,
                                                    Stop& stop) {
  Pods limited;
  std::copy_if(pods.begin(), pods.end(), std::back_inserter(limited),
               [](const api::PodPtr& pod) { return hasDiskLimits(*pod); });
  std::vector<Eviction> evictions;
  if (limited.empty()) return evictions;
  // Those that there was no time for come first in the next round.
  std::rotate(limited.begin(), limited.begin() + static_cast<ptrdiff_t>(next_limited_ % limited.size()),
              limited.end());
  Stop deadline = stop.within(kMeasureDeadline);
  for (const api::PodPtr& pod : limited) {
    if (!deadline.check("measure pods")) break;
    ++next_limited_;
    const stats::PodStats figures =
        observer_.pod(stats::buildPodSource(*pod, policy_.paths), stats::Detail::kDisk, deadline);
    if (auto eviction = limitEviction(pod, figures, layout)) evictions.push_back(std::move(*eviction));
  }
  next_limited_ %= limited.size();
  return evictions;
}

bool EvictionRound::reclaimed(const Pods& pods, Signal signal, const stats::DiskLayout& layout,
                              RoundOutcome& outcome, Stop& stop) {
  if (reclaim_ == nullptr || !imagesHelp(signal, layout)) return false;
  const ErrorList errors = reclaim_->unusedImages(pods, stop);
  for (const Error& error : errors.errors()) {
    outcome.notes.push_back("eviction: remove unused images: " + error.text);
  }
  const auto node = observer_.node(stop);
  if (!node) return false;
  return thresholdsMet(thresholds_, observe(*node), Reclaimed::kEnforce).empty();
}

std::vector<Candidate> EvictionRound::measured(const Pods& pods, Signal signal, Stop& stop) {
  const std::string_view resource = resourceOf(signal);
  const auto detail =
      resource == "memory" || resource == "pids" ? stats::Detail::kCgroups : stats::Detail::kDisk;
  Stop deadline = stop.within(kMeasureDeadline);
  std::vector<Candidate> candidates;
  candidates.reserve(pods.size());
  for (const api::PodPtr& pod : pods) {
    candidates.push_back({pod, observer_.pod(stats::buildPodSource(*pod, policy_.paths), detail, deadline)});
  }
  return candidates;
}

}  // namespace keelson::kubelet::eviction
