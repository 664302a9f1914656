// Secret. https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/
#pragma once

#include <optional>
#include <string>

#include "api/object_meta.h"

namespace keelson::api {

// A plain value, shared as const. Any thread. Never logged.
struct Secret {
  ObjectMeta metadata;
  std::optional<bool> immutable;
  StringMap data;  // raw bytes (base64 in JSON); stringData is merged over it on decoding
  std::string type = "Opaque";
  bool operator==(const Secret&) const = default;
};

}  // namespace keelson::api
