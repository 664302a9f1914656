#include "kubelet/node/node_events.h"

#include <array>
#include <string_view>

#include "kubelet/node/node_conditions.h"

namespace keelson::kubelet::node {
namespace {

struct Flip {
  std::string_view type;  // of the condition
  std::string_view if_true, if_false;
};
constexpr std::array<Flip, 3> kPressureFlips{{
    {"MemoryPressure", "NodeHasInsufficientMemory", "NodeHasSufficientMemory"},
    {"DiskPressure", "NodeHasDiskPressure", "NodeHasNoDiskPressure"},
    {"PIDPressure", "NodeHasInsufficientPID", "NodeHasSufficientPID"},
}};

NodeEvent statusIsNow(const std::string& node, std::string_view reason) {
  return {"Normal", std::string(reason), fmt::format("Node {} status is now: {}", node, reason)};
}

const api::NodeCondition* conditionOf(const api::Node* node, std::string_view type) {
  return node == nullptr ? nullptr : findCondition(node->status.conditions, type);
}

}  // namespace

std::vector<NodeEvent> nodeEvents(const api::Node* before, const api::Node& after) {
  std::vector<NodeEvent> events;
  const std::string& name = after.metadata.name;
  if (before != nullptr) {
    const std::string& boot_id = after.status.node_info.boot_id;
    const std::string& earlier = before->status.node_info.boot_id;
    if (!earlier.empty() && !boot_id.empty() && earlier != boot_id) {
      events.push_back(
          {"Warning", "Rebooted", fmt::format("Node {} has been rebooted, boot id: {}", name, boot_id)});
    }
  }
  for (const Flip& flip : kPressureFlips) {
    const auto* was = conditionOf(before, flip.type);
    const auto* now = conditionOf(&after, flip.type);
    if (now == nullptr || (was != nullptr && was->status == now->status)) continue;
    events.push_back(statusIsNow(name, now->status == "True" ? flip.if_true : flip.if_false));
  }
  const auto* was = conditionOf(before, "Ready");
  const auto* now = conditionOf(&after, "Ready");
  if (was != nullptr && now != nullptr && was->status != now->status)
    events.push_back(statusIsNow(name, now->status == "True" ? "NodeReady" : "NodeNotReady"));
  if (before != nullptr && before->spec.unschedulable != after.spec.unschedulable)
    events.push_back(statusIsNow(name, after.spec.unschedulable ? "NodeNotSchedulable" : "NodeSchedulable"));
  return events;
}

NodeEvent startingEvent() { return {"Normal", "Starting", "Starting kubelet."}; }

NodeEvent allocatableEnforcedEvent() {
  return {"Normal", "NodeAllocatableEnforced", "Updated Node Allocatable limit across pods"};
}

NodeEvent allocatableFailedEvent(const std::string& error) {
  return {"Warning", "FailedNodeAllocatableEnforcement",
          fmt::format("Failed to update Node Allocatable Limits: {}", error)};
}

NodeEvent shutdownEvent() { return {"Normal", "Shutdown", "Shutdown manager detected shutdown event"}; }

NodeEvent shutdownCancelledEvent() {
  return {"Normal", "Shutdown", "Shutdown manager detected shutdown cancellation"};
}

}  // namespace keelson::kubelet::node
