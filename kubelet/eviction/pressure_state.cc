#include "kubelet/eviction/pressure_state.h"

#include <algorithm>

namespace keelson::kubelet::eviction {
namespace {

bool isMemory(Signal signal) {
  return signal == Signal::kMemoryAvailable || signal == Signal::kAllocatableMemoryAvailable;
}

// Equal but for the minimum reclaim, as the real kubelet tells thresholds apart.
bool isSame(const Threshold& a, const Threshold& b) {
  return a.signal == b.signal && a.grace == b.grace && a.value == b.value;
}

bool holds(const std::vector<Threshold>& list, const Threshold& threshold) {
  return std::any_of(list.begin(), list.end(),
                     [&](const Threshold& each) { return isSame(each, threshold); });
}

void observeDisk(Observations& out, const std::optional<kernel::FsCapacity>& fs, Signal bytes, Signal inodes,
                 WallTime at) {
  if (!fs) return;
  if (fs->capacity.value > 0) {
    out[bytes] = {api::Quantity::ofBytes(fs->available.value), api::Quantity::ofBytes(fs->capacity.value),
                  at};
  }
  if (fs->inodes > 0) {  // btrfs and its kind count none
    out[inodes] = {api::Quantity::of(static_cast<int64_t>(fs->inodes_free)),
                   api::Quantity::of(static_cast<int64_t>(fs->inodes)), at};
  }
}

// Whether a condition is to be reported: observed now, or not long enough ago.
bool lasts(std::optional<SteadyTime>& observed_at, bool observed, Duration transition, SteadyTime now) {
  if (observed) observed_at = now;
  // With a transition period of zero the condition still shows while it is observed.
  return observed || (observed_at && now - *observed_at < transition);
}

}  // namespace

Observations observe(const stats::NodeStats& node) {
  Observations out;
  if (node.memory && node.meminfo.total.value > 0) {
    const int64_t available = std::max<int64_t>(node.meminfo.total.value - node.memory->working_set.value, 0);
    out[Signal::kMemoryAvailable] = {api::Quantity::ofBytes(available),
                                     api::Quantity::ofBytes(node.meminfo.total.value), node.at};
  }
  if (node.pods && node.pods->limit) {
    const int64_t limit = node.pods->limit->value;
    const int64_t available = std::max<int64_t>(limit - node.pods->working_set.value, 0);
    out[Signal::kAllocatableMemoryAvailable] = {api::Quantity::ofBytes(available),
                                                api::Quantity::ofBytes(limit), node.at};
  }
  observeDisk(out, node.nodefs, Signal::kNodefsAvailable, Signal::kNodefsInodesFree, node.at);
  observeDisk(out, node.imagefs, Signal::kImagefsAvailable, Signal::kImagefsInodesFree, node.at);
  observeDisk(out, node.containerfs, Signal::kContainerfsAvailable, Signal::kContainerfsInodesFree, node.at);
  if (node.tasks) {
    const auto max = static_cast<int64_t>(node.tasks->max);
    const int64_t available = std::max<int64_t>(max - static_cast<int64_t>(node.tasks->running), 0);
    out[Signal::kPidAvailable] = {api::Quantity::of(available), api::Quantity::of(max), node.at};
  }
  return out;
}

std::vector<Threshold> thresholdsMet(const std::vector<Threshold>& thresholds,
                                     const Observations& observations, Reclaimed reclaim) {
  std::vector<Threshold> met;
  for (const Threshold& threshold : thresholds) {
    const auto observed = observations.find(threshold.signal);
    if (observed == observations.end()) continue;
    api::Quantity wanted = thresholdQuantity(threshold.value, observed->second.capacity);
    if (reclaim == Reclaimed::kEnforce && threshold.min_reclaim) {
      wanted = wanted + thresholdQuantity(*threshold.min_reclaim, observed->second.capacity);
    }
    if (wanted > observed->second.available) met.push_back(threshold);
  }
  return met;
}

node::NodePressure pressureOf(const std::vector<Threshold>& thresholds) {
  node::NodePressure pressure;
  for (const Threshold& threshold : thresholds) {
    if (isMemory(threshold.signal)) {
      pressure.memory = true;
    } else if (threshold.signal == Signal::kPidAvailable) {
      pressure.pid = true;
    } else {
      pressure.disk = true;
    }
  }
  return pressure;
}

std::string pressureText(const node::NodePressure& pressure) {
  std::string names;
  const auto add = [&names](bool present, const char* name) {
    if (present) names += (names.empty() ? "" : " ") + std::string(name);
  };
  add(pressure.memory, "MemoryPressure");
  add(pressure.disk, "DiskPressure");
  add(pressure.pid, "PIDPressure");
  return "[" + names + "]";
}

Evaluation evaluate(const PressureState& before, const std::vector<Threshold>& thresholds,
                    const Observations& observations, Duration transition_period, SteadyTime now) {
  std::vector<Threshold> met = thresholdsMet(thresholds, observations, Reclaimed::kIgnore);
  for (const Threshold& unresolved : thresholdsMet(before.met, observations, Reclaimed::kEnforce)) {
    if (!holds(met, unresolved)) met.push_back(unresolved);
  }

  Evaluation out;
  out.state = before;
  out.state.observations = observations;
  out.state.first_observed.clear();
  out.state.met.clear();
  for (const Threshold& threshold : met) {
    const auto known = std::find_if(before.first_observed.begin(), before.first_observed.end(),
                                    [&](const auto& each) { return isSame(each.first, threshold); });
    const SteadyTime since = known == before.first_observed.end() ? now : known->second;
    out.state.first_observed.emplace_back(threshold, since);
    if (now - since >= threshold.grace) out.state.met.push_back(threshold);
  }

  const node::NodePressure seen = pressureOf(met);
  out.state.pressure.memory = lasts(out.state.memory_at, seen.memory, transition_period, now);
  out.state.pressure.disk = lasts(out.state.disk_at, seen.disk, transition_period, now);
  out.state.pressure.pid = lasts(out.state.pid_at, seen.pid, transition_period, now);

  for (const Threshold& threshold : out.state.met) {
    const auto last = before.observations.find(threshold.signal);
    const bool is_news =
        last == before.observations.end() ||
        observations.at(threshold.signal).at != last->second.at;  // the wall clock may go back
    if (is_news) out.to_act.push_back(threshold);
  }
  std::stable_partition(out.to_act.begin(), out.to_act.end(),
                        [](const Threshold& threshold) { return isMemory(threshold.signal); });
  return out;
}

bool isNearMemoryThreshold(const std::vector<Threshold>& thresholds, const Observations& observations) {
  return std::any_of(thresholds.begin(), thresholds.end(), [&](const Threshold& threshold) {
    const auto observed = observations.find(threshold.signal);
    if (!isMemory(threshold.signal) || observed == observations.end()) return false;
    const api::Quantity wanted = thresholdQuantity(threshold.value, observed->second.capacity);
    return wanted + wanted > observed->second.available;
  });
}

}  // namespace keelson::kubelet::eviction
