// What to PATCH so that one Node becomes another.
#pragma once

#include "api/node.h"
#include "base/json.h"

namespace keelson::kubelet::node {

// The strategic merge patch of metadata and status from `before` to `after` ({} if nothing differs), as
// kubelet makes it for the status subresource: conditions are merged by type, with their order told;
// addresses are replaced as a whole, because their merge key (type) is not unique on a dual-stack node; other
// lists are atomic. `spec` never is in it.
// https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
json::object nodeStatusPatch(const api::Node& before, const api::Node& after);

}  // namespace keelson::kubelet::node
