// Labels of the Node: those every node has, and which ones configuration may add.
#pragma once

#include <string>
#include <vector>

#include "api/object_meta.h"
#include "base/result.h"
#include "kubelet/node/node_input.h"

namespace keelson::kubelet::node {

// hostname, os and arch with the beta twins, then --node-labels over them.
api::StringMap buildNodeLabels(const NodeInput& input);

// The labels that an existing Node gets corrected when this node registers and has a value for them.
bool isDefaultLabel(const std::string& key);

// --node-labels: syntax, and in the kubernetes.io and k8s.io name spaces only what a kubelet may set itself
// (the NodeRestriction admission would refuse the Node). kInvalidArgument names every offender.
// https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
Result<void> checkNodeLabels(const api::StringMap& labels);

}  // namespace keelson::kubelet::node
