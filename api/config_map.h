// ConfigMap. https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/config-map-v1/
#pragma once

#include <optional>

#include "api/object_meta.h"

namespace keelson::api {

// A plain value, shared as const. Any thread.
struct ConfigMap {
  ObjectMeta metadata;
  std::optional<bool> immutable;
  StringMap data;
  StringMap binary_data;  // raw bytes (base64 in JSON)
  bool operator==(const ConfigMap&) const = default;
};

}  // namespace keelson::api
