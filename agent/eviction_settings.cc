#include "agent/eviction_settings.h"

#include <algorithm>
#include <charconv>

#include "agent/kubelet_configuration.h"

namespace keelson::agent {
namespace {

constexpr std::string_view kSignals[] = {
    "memory.available",   "nodefs.available",      "nodefs.inodesFree",      "imagefs.available",
    "imagefs.inodesFree", "containerfs.available", "containerfs.inodesFree", "allocatableMemory.available",
    "pid.available"};

Result<void> checkSignal(const std::string& signal) {
  if (std::find(std::begin(kSignals), std::end(kSignals), signal) != std::end(kSignals)) return {};
  return makeError(Code::kInvalidArgument, "unrecognized eviction signal \"{}\"", signal);
}

// 0 and 100 % turn a threshold off.
bool isOff(const std::string& text) { return text == "0%" || text == "100%"; }

Result<void> parseList(const api::StringMap& texts, const KubeletConfiguration& c, bool soft,
                       std::vector<EvictionThreshold>& out) {
  for (const auto& [signal, text] : texts) {
    TRY(checkSignal(signal));
    EvictionThreshold threshold;
    threshold.signal = signal;
    if (isOff(text)) continue;
    threshold.value = TRY_CTX(parseThresholdValue(text), "{}", signal);
    if (soft) {
      const auto grace = c.eviction_soft_grace_period.find(signal);
      if (grace == c.eviction_soft_grace_period.end())
        return makeError(Code::kInvalidArgument,
                         "grace period must be specified for the soft eviction threshold {}", signal);
      threshold.grace = TRY_CTX(parseDuration(grace->second), "evictionSoftGracePeriod {}", signal);
      if (threshold.grace <= Duration{0})
        return makeError(Code::kInvalidArgument,
                         "invalid eviction grace period specified: {} must be a positive value",
                         grace->second);
    }
    threshold.min_reclaim.quantity = api::Quantity();
    if (const auto reclaim = c.eviction_minimum_reclaim.find(signal);
        reclaim != c.eviction_minimum_reclaim.end())
      threshold.min_reclaim =
          TRY_CTX(parseThresholdValue(reclaim->second), "evictionMinimumReclaim {}", signal);
    out.push_back(std::move(threshold));
  }
  return {};
}

}  // namespace

api::StringMap defaultEvictionHard() {
  return {{"memory.available", "100Mi"},
          {"nodefs.available", "10%"},
          {"nodefs.inodesFree", "5%"},
          {"imagefs.available", "15%"},
          {"imagefs.inodesFree", "5%"}};
}

Result<ThresholdValue> parseThresholdValue(std::string_view text) {
  ThresholdValue value;
  if (!text.ends_with('%')) {
    value.quantity = TRY(api::Quantity::parse(text));
    if (value.quantity->milliValue() < 0)
      return makeError(Code::kInvalidArgument, "eviction threshold {} must not be negative", text);
    return value;
  }
  double percent = 0;
  const std::string_view number = text.substr(0, text.size() - 1);
  const auto [end, fault] = std::from_chars(number.data(), number.data() + number.size(), percent);
  if (fault != std::errc() || end != number.data() + number.size() || !(percent >= 0 && percent <= 100))
    return makeError(Code::kInvalidArgument,
                     "expected a quantity or a percentage from 0% to 100%, got \"{}\"", text);
  value.share = percent / 100;
  return value;
}

Result<std::vector<EvictionThreshold>> parseEvictionThresholds(const KubeletConfiguration& configuration) {
  std::vector<EvictionThreshold> thresholds;
  for (const auto& [signal, text] : configuration.eviction_soft_grace_period)
    TRY_CTX(checkSignal(signal), "evictionSoftGracePeriod");
  for (const auto& [signal, text] : configuration.eviction_minimum_reclaim)
    TRY_CTX(checkSignal(signal), "evictionMinimumReclaim");
  TRY_CTX(parseList(configuration.eviction_hard, configuration, false, thresholds), "evictionHard");
  TRY_CTX(parseList(configuration.eviction_soft, configuration, true, thresholds), "evictionSoft");
  return thresholds;
}

Result<std::map<std::string, api::Quantity>> parseReserved(const api::StringMap& texts) {
  std::map<std::string, api::Quantity> reserved;
  for (const auto& [name, text] : texts) {
    if (name != "cpu" && name != "memory" && name != "ephemeral-storage" && name != "pid" &&
        !name.starts_with("hugepages-"))
      return makeError(Code::kInvalidArgument, "cannot reserve \"{}\" resource", name);
    const auto quantity = TRY_CTX(api::Quantity::parse(text), "{}", name);
    if (quantity.milliValue() < 0)
      return makeError(Code::kInvalidArgument, "resource quantity for \"{}\" cannot be negative: {}", name,
                       text);
    reserved[name] = quantity;
  }
  return reserved;
}

Result<std::vector<uint32_t>> parseCpuSet(std::string_view text) {
  constexpr uint32_t kMaxCpus = 8192;
  std::vector<uint32_t> cpus;
  const std::string whole(text);
  const auto bad = [&] {
    return makeError(Code::kInvalidArgument, "expected a list of CPUs such as 0-3,8, got \"{}\"", whole);
  };
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view part = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    uint32_t first = 0, last = 0;
    const char* const end = part.data() + part.size();
    auto parsed = std::from_chars(part.data(), end, first);
    if (parsed.ec != std::errc()) return bad();
    last = first;
    if (parsed.ptr != end) {
      if (*parsed.ptr != '-') return bad();
      parsed = std::from_chars(parsed.ptr + 1, end, last);
      if (parsed.ec != std::errc() || parsed.ptr != end) return bad();
    }
    if (last < first || last >= kMaxCpus) return bad();
    for (uint32_t cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
  }
  std::sort(cpus.begin(), cpus.end());
  cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());
  return cpus;
}

}  // namespace keelson::agent
