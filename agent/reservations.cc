#include "agent/reservations.h"

#include <algorithm>
#include <charconv>

#include "agent/kubelet_configuration.h"

namespace keelson::agent {

kubelet::eviction::ThresholdConfig thresholdConfig(const KubeletConfiguration& from) {
  kubelet::eviction::ThresholdConfig config;
  config.hard = from.eviction_hard;  // the defaults are in it already
  config.soft = from.eviction_soft;
  config.soft_grace_period = from.eviction_soft_grace_period;
  config.minimum_reclaim = from.eviction_minimum_reclaim;
  config.enforce_node_allocatable = from.enforce_node_allocatable;
  return config;
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
