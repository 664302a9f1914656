// The conditions of the Node: what it is short of and whether it runs pods.
#pragma once

#include <vector>

#include "api/node.h"
#include "base/clock.h"
#include "kubelet/node/pressure.h"

namespace keelson::kubelet::node {

// `before` with MemoryPressure, DiskPressure, PIDPressure and Ready as they are now. Conditions of others
// stay where they are; new ones are appended in this order, so Ready is the last of ours. lastTransitionTime
// moves only when the status does. `capacity` must have what a node cannot be Ready without.
std::vector<api::NodeCondition> buildConditions(const std::vector<api::NodeCondition>& before,
                                                const NodePressure& pressure, const Readiness& readiness,
                                                const api::ResourceList& capacity, WallTime now);

// The condition of that type; null if there is none.
const api::NodeCondition* findCondition(const std::vector<api::NodeCondition>& conditions,
                                        std::string_view type);
bool isReady(const api::Node& node);

}  // namespace keelson::kubelet::node
