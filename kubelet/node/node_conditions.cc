#include "kubelet/node/node_conditions.h"

#include <algorithm>
#include <array>

namespace keelson::kubelet::node {
namespace {

WallTime wholeSeconds(WallTime time) { return std::chrono::floor<std::chrono::seconds>(time); }

// Texts of k8s.io/kubernetes/pkg/kubelet/nodestatus.
struct PressureTexts {
  std::string_view type;
  std::string_view reason_if, message_if;
  std::string_view reason_else, message_else;
};
constexpr std::array<PressureTexts, 3> kPressures{{
    {"MemoryPressure", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available",
     "KubeletHasSufficientMemory", "kubelet has sufficient memory available"},
    {"DiskPressure", "KubeletHasDiskPressure", "kubelet has disk pressure", "KubeletHasNoDiskPressure",
     "kubelet has no disk pressure"},
    {"PIDPressure", "KubeletHasInsufficientPID", "kubelet has insufficient PID available",
     "KubeletHasSufficientPID", "kubelet has sufficient PID available"},
}};

void put(std::vector<api::NodeCondition>& conditions, api::NodeCondition next, WallTime now) {
  next.last_heartbeat_time = now;
  next.last_transition_time = now;
  const auto at = std::find_if(conditions.begin(), conditions.end(),
                               [&](const auto& condition) { return condition.type == next.type; });
  if (at == conditions.end()) {
    conditions.push_back(std::move(next));
    return;
  }
  if (at->status == next.status && at->last_transition_time)
    next.last_transition_time = at->last_transition_time;
  *at = std::move(next);
}

// As errors.NewAggregate().Error() of Go: one alone, several in brackets, each once.
std::string joined(const std::vector<std::string>& problems) {
  std::vector<std::string> unique;
  for (const auto& problem : problems)
    if (std::find(unique.begin(), unique.end(), problem) == unique.end()) unique.push_back(problem);
  if (unique.size() == 1) return unique.front();
  return fmt::format("[{}]", fmt::join(unique, ", "));
}

api::NodeCondition ready(const Readiness& readiness, const api::ResourceList& capacity) {
  std::vector<std::string> problems = readiness.problems;
  std::vector<std::string> missing;
  for (const char* resource : {"cpu", "memory", "pods", "ephemeral-storage"})
    if (!capacity.contains(resource)) missing.emplace_back(resource);
  if (!missing.empty())
    problems.push_back(fmt::format("missing node capacity for resources: {}", fmt::join(missing, ", ")));
  api::NodeCondition condition{.type = "Ready"};
  condition.status = problems.empty() ? "True" : "False";
  condition.reason = problems.empty() ? "KubeletReady" : "KubeletNotReady";
  condition.message = problems.empty() ? "kubelet is posting ready status" : joined(problems);
  return condition;
}

}  // namespace

std::vector<api::NodeCondition> buildConditions(const std::vector<api::NodeCondition>& before,
                                                const NodePressure& pressure, const Readiness& readiness,
                                                const api::ResourceList& capacity, WallTime now) {
  now = wholeSeconds(now);  // what JSON keeps, so that the object read back is equal
  std::vector<api::NodeCondition> conditions = before;
  const std::array<bool, 3> under{pressure.memory, pressure.disk, pressure.pid};
  for (size_t i = 0; i < kPressures.size(); ++i) {
    const PressureTexts& texts = kPressures[i];
    api::NodeCondition next{.type = std::string(texts.type)};
    next.status = under[i] ? "True" : "False";
    next.reason = under[i] ? texts.reason_if : texts.reason_else;
    next.message = under[i] ? texts.message_if : texts.message_else;
    put(conditions, std::move(next), now);
  }
  put(conditions, ready(readiness, capacity), now);
  return conditions;
}

const api::NodeCondition* findCondition(const std::vector<api::NodeCondition>& conditions,
                                        std::string_view type) {
  for (const auto& condition : conditions)
    if (condition.type == type) return &condition;
  return nullptr;
}

bool isReady(const api::Node& node) {
  const auto* condition = findCondition(node.status.conditions, "Ready");
  return condition != nullptr && condition->status == "True";
}

}  // namespace keelson::kubelet::node
