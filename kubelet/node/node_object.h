// The Node object of this machine: as it registers, as it stands now, as an older one is corrected.
#pragma once

#include "api/node.h"
#include "base/clock.h"
#include "kubelet/node/node_input.h"

namespace keelson::kubelet::node {

// The Node to POST when there is none yet.
api::Node buildNode(const NodeInput& input, WallTime now);

// The status as it is now. `before` (null: none yet) gives what others own there (extended resources, their
// conditions, attached volumes) and the times of conditions that did not change.
api::NodeStatus buildNodeStatus(const NodeInput& input, const api::Node* before, WallTime now);

// `before` with the status of now, and with the labels and annotations that each status update asserts.
api::Node updateNode(const NodeInput& input, const api::Node& before, WallTime now);

// What a registration corrects in a Node that is there already: default labels, the attach-detach annotation,
// huge pages, and extended resources where the node lost its records.
api::Node reconcileNode(const NodeInput& input, const api::Node& existing);

// Whether anything but the heartbeat times of conditions and the order of conditions differs.
bool statusChanged(const api::NodeStatus& before, const api::NodeStatus& after);

}  // namespace keelson::kubelet::node
