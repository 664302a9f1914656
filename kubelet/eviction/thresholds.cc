#include "kubelet/eviction/thresholds.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace keelson::kubelet::eviction {
namespace {

struct SignalRow {
  Signal signal;
  const char* name;
  const char* resource;
};
constexpr std::array kSignals = {
    SignalRow{Signal::kMemoryAvailable, "memory.available", "memory"},
    SignalRow{Signal::kNodefsAvailable, "nodefs.available", "ephemeral-storage"},
    SignalRow{Signal::kNodefsInodesFree, "nodefs.inodesFree", "inodes"},
    SignalRow{Signal::kImagefsAvailable, "imagefs.available", "ephemeral-storage"},
    SignalRow{Signal::kImagefsInodesFree, "imagefs.inodesFree", "inodes"},
    SignalRow{Signal::kContainerfsAvailable, "containerfs.available", "ephemeral-storage"},
    SignalRow{Signal::kContainerfsInodesFree, "containerfs.inodesFree", "inodes"},
    SignalRow{Signal::kAllocatableMemoryAvailable, "allocatableMemory.available", "memory"},
    SignalRow{Signal::kPidAvailable, "pid.available", "pids"},
};

const SignalRow& rowOf(Signal signal) {
  return *std::find_if(kSignals.begin(), kSignals.end(),
                       [signal](const SignalRow& row) { return row.signal == signal; });
}

Error invalid(std::string text) { return Error{Code::kInvalidArgument, 0, std::move(text)}; }

Result<Signal> signalOf(const std::string& name) {
  const auto signal = parseSignal(name);
  if (!signal) return invalid(fmt::format("unsupported eviction signal {}", name));
  return *signal;
}

// "10%" is 0.1. strconv.ParseFloat's sentence for what is no number.
Result<float> parsePercentage(const std::string& text) {
  const std::string_view digits = std::string_view(text).substr(0, text.find('%'));
  float value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool trailing = text.find_first_not_of('%', digits.size()) != std::string::npos;
  if (error != std::errc{} || end != digits.data() + digits.size() || trailing || !std::isfinite(value)) {
    return invalid(fmt::format("strconv.ParseFloat: parsing \"{}\": invalid syntax", digits));
  }
  return value / 100;
}

// nullopt: the statement turns the signal off.
Result<std::optional<Threshold>> parseStatement(const std::string& name, const std::string& text) {
  Threshold threshold;
  threshold.signal = TRY(signalOf(name));
  if (text.ends_with('%')) {
    if (text == "0%" || text == "100%") return std::optional<Threshold>{};
    const float percentage = TRY(parsePercentage(text));
    if (percentage < 0) {
      return invalid(fmt::format("eviction percentage threshold {} must be >= 0%: {}", name, text));
    }
    if (percentage > 1) {
      return invalid(fmt::format("eviction percentage threshold {} must be <= 100%: {}", name, text));
    }
    threshold.value.percentage = percentage;
    return std::optional(threshold);
  }
  const api::Quantity quantity = TRY_CTX(api::Quantity::parse(text), "eviction threshold {}", name);
  if (quantity <= api::Quantity{}) {
    return invalid(fmt::format("eviction threshold {} must be positive: {}", name, quantity.str()));
  }
  threshold.value.quantity = quantity;
  return std::optional(threshold);
}

Result<std::vector<Threshold>> parseStatements(const ThresholdConfig::Statements& statements) {
  std::vector<Threshold> thresholds;
  for (const auto& [name, text] : statements) {
    if (auto threshold = TRY(parseStatement(name, text))) thresholds.push_back(*threshold);
  }
  return thresholds;
}

Result<std::map<Signal, Duration>> parseGracePeriods(const ThresholdConfig::Statements& statements) {
  std::map<Signal, Duration> periods;
  for (const auto& [name, text] : statements) {
    const Signal signal = TRY(signalOf(name));
    const Duration period = TRY_CTX(parseDuration(text), "eviction grace period of {}", name);
    if (period < Duration{0}) {
      return invalid(
          fmt::format("invalid eviction grace period specified: {}, must be a positive value", text));
    }
    periods[signal] = period;
  }
  return periods;
}

Result<std::map<Signal, ThresholdValue>> parseReclaims(const ThresholdConfig::Statements& statements) {
  std::map<Signal, ThresholdValue> reclaims;
  for (const auto& [name, text] : statements) {
    const Signal signal = TRY(signalOf(name));
    if (text.ends_with('%')) {
      const float percentage = TRY(parsePercentage(text));
      if (percentage <= 0) {
        return invalid(
            fmt::format("eviction percentage minimum reclaim {} must be positive: {}", name, text));
      }
      reclaims[signal] = {std::nullopt, percentage};
      continue;
    }
    const api::Quantity quantity = TRY_CTX(api::Quantity::parse(text), "eviction minimum reclaim {}", name);
    if (quantity < api::Quantity{}) {
      return invalid(fmt::format("negative eviction minimum reclaim specified for {}", name));
    }
    reclaims[signal] = {quantity, 0};
  }
  return reclaims;
}

bool isContainerfs(Signal signal) {
  return signal == Signal::kContainerfsAvailable || signal == Signal::kContainerfsInodesFree;
}

}  // namespace

const char* signalName(Signal signal) { return rowOf(signal).name; }
const char* resourceOf(Signal signal) { return rowOf(signal).resource; }

std::optional<Signal> parseSignal(std::string_view name) {
  for (const SignalRow& row : kSignals) {
    if (row.name == name) return row.signal;
  }
  return std::nullopt;
}

api::Quantity thresholdQuantity(const ThresholdValue& value, const api::Quantity& capacity) {
  if (value.quantity) return *value.quantity;
  const double share = static_cast<double>(capacity.value()) * static_cast<double>(value.percentage);
  return api::Quantity::ofBytes(static_cast<int64_t>(share));
}

const ThresholdConfig::Statements& defaultEvictionHard() {
  static const ThresholdConfig::Statements kDefaults = {{"memory.available", "100Mi"},
                                                        {"nodefs.available", "10%"},
                                                        {"nodefs.inodesFree", "5%"},
                                                        {"imagefs.available", "15%"},
                                                        {"imagefs.inodesFree", "5%"}};
  return kDefaults;
}

ThresholdConfig::Statements effectiveHard(const ThresholdConfig& config) {
  if (!config.hard) return defaultEvictionHard();
  ThresholdConfig::Statements hard = *config.hard;
  if (config.merge_defaults) hard.insert(defaultEvictionHard().begin(), defaultEvictionHard().end());
  return hard;
}

Result<std::vector<Threshold>> parseThresholds(const ThresholdConfig& config) {
  std::vector<Threshold> thresholds = TRY_CTX(parseStatements(effectiveHard(config)), "evictionHard");
  std::vector<Threshold> soft = TRY_CTX(parseStatements(config.soft), "evictionSoft");
  const auto periods = TRY_CTX(parseGracePeriods(config.soft_grace_period), "evictionSoftGracePeriod");
  const auto reclaims = TRY_CTX(parseReclaims(config.minimum_reclaim), "evictionMinimumReclaim");
  for (Threshold& threshold : soft) {
    const auto period = periods.find(threshold.signal);
    if (period == periods.end()) {
      return invalid(
          fmt::format("evictionSoft: grace period must be specified for the soft eviction threshold {}",
                      signalName(threshold.signal)));
    }
    threshold.grace = period->second;
  }
  thresholds.insert(thresholds.end(), soft.begin(), soft.end());
  for (Threshold& threshold : thresholds) {
    const auto reclaim = reclaims.find(threshold.signal);
    if (reclaim != reclaims.end()) threshold.min_reclaim = reclaim->second;
  }
  const auto& enforced = config.enforce_node_allocatable;
  if (std::find(enforced.begin(), enforced.end(), "pods") == enforced.end()) return thresholds;
  const size_t configured = thresholds.size();
  for (size_t i = 0; i < configured; ++i) {
    if (thresholds[i].signal != Signal::kMemoryAvailable || !thresholds[i].isHard()) continue;
    Threshold allocatable = thresholds[i];
    allocatable.signal = Signal::kAllocatableMemoryAvailable;
    thresholds.push_back(allocatable);
  }
  return thresholds;
}

WithContainerfs withContainerfs(const std::vector<Threshold>& thresholds, bool layers_on_imagefs) {
  WithContainerfs out;
  const Signal bytes = layers_on_imagefs ? Signal::kImagefsAvailable : Signal::kNodefsAvailable;
  const Signal inodes = layers_on_imagefs ? Signal::kImagefsInodesFree : Signal::kNodefsInodesFree;
  std::vector<Threshold> derived;
  for (const Threshold& threshold : thresholds) {
    if (isContainerfs(threshold.signal)) {
      out.ignored.push_back(fmt::format("found {} for {} eviction. ignoring", signalName(threshold.signal),
                                        threshold.isHard() ? "hard" : "soft"));
      continue;
    }
    out.thresholds.push_back(threshold);
    if (threshold.signal != bytes && threshold.signal != inodes) continue;
    derived.push_back(threshold);
    derived.back().signal =
        threshold.signal == bytes ? Signal::kContainerfsAvailable : Signal::kContainerfsInodesFree;
  }
  out.thresholds.insert(out.thresholds.end(), derived.begin(), derived.end());
  return out;
}

api::ResourceList hardEvictionReservation(const std::vector<Threshold>& thresholds,
                                          const api::ResourceList& capacity) {
  api::ResourceList reserved;
  const auto reserve = [&](const Threshold& threshold, const char* resource) {
    const auto found = capacity.find(resource);
    if (found != capacity.end()) reserved[resource] = thresholdQuantity(threshold.value, found->second);
  };
  for (const Threshold& threshold : thresholds) {
    if (!threshold.isHard()) continue;
    if (threshold.signal == Signal::kMemoryAvailable) reserve(threshold, "memory");
    if (threshold.signal == Signal::kNodefsAvailable) reserve(threshold, "ephemeral-storage");
  }
  return reserved;
}

}  // namespace keelson::kubelet::eviction
