// RuntimeClass (node.k8s.io/v1): which runtime a pod asks for.
#pragma once

#include <string>
#include <vector>

#include "api/object_meta.h"
#include "api/pod.h"

namespace keelson::api {

// A plain value, shared as const. Any thread.
struct RuntimeClass {
  ObjectMeta metadata;
  std::string handler;
  ResourceList pod_fixed_overhead;  // overhead.podFixed
  StringMap node_selector;          // scheduling.nodeSelector
  std::vector<Toleration> tolerations;
  bool operator==(const RuntimeClass&) const = default;
};

}  // namespace keelson::api
