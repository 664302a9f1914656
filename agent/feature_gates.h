// Kubernetes' feature gates as this node knows them.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace keelson::agent {

// kInvalidArgument for a name that Kubernetes 1.36 does not know, and for switching a graduated feature.
Result<void> checkFeatureGate(const std::string& name, bool on);

// Whether a gate of the node is on: as given, else by AllAlpha or AllBeta, else its default in 1.36.
bool featureEnabled(const std::map<std::string, bool>& gates, std::string_view name);

}  // namespace keelson::agent
