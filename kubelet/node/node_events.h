// Events about the node itself.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "api/node.h"

namespace keelson::kubelet::node {

struct NodeEvent {
  std::string type;  // Normal, Warning
  std::string reason;
  std::string message;
  bool operator==(const NodeEvent&) const = default;
};

// Where they go: the recorder adds the involved Node. Loop.
using NodeEventSink = std::function<void(const NodeEvent&)>;

// What became of the node between two statuses: flips of Ready and of the pressures (a pressure that was
// never reported counts as one), a new boot id, spec.unschedulable. `before` null: the node is new.
std::vector<NodeEvent> nodeEvents(const api::Node* before, const api::Node& after);

NodeEvent startingEvent();
NodeEvent allocatableEnforcedEvent();
NodeEvent allocatableFailedEvent(const std::string& error);
NodeEvent shutdownEvent();
NodeEvent shutdownCancelledEvent();

}  // namespace keelson::kubelet::node
