// Manifests: text with any number of objects to values of the kinds that this node acts on.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/codec.h"
#include "api/config_map.h"
#include "api/node.h"
#include "api/pod.h"
#include "api/runtime_class.h"
#include "api/secret.h"
#include "api/service.h"
#include "base/result.h"

namespace keelson::api {

// An object of a kind that nothing here acts on.
struct UnknownObject {
  std::string api_version;
  std::string kind;
  std::string namespace_;
  std::string name;
  bool operator==(const UnknownObject&) const = default;
};

using Object = std::variant<Pod, ConfigMap, Secret, Service, Node, RuntimeClass, UnknownObject>;

// "Pod default/web", for people. A missing namespace is shown as none.
std::string objectTitle(const Object& object);

struct Manifest {
  std::vector<Object> objects;  // lists are flattened; in the order of the text
  std::vector<std::string> warnings;
};

inline constexpr size_t kMaxManifestBytes = size_t{10} << 20;  // the kubelet's own limit
inline constexpr size_t kMaxManifestObjects = 10'000;

// YAML (any number of documents) or JSON. All or nothing: an error names the document by number, line
// and kind/name ("document 2 (line 14, Pod "web"): spec.containers: expected a list, got a string").
// Nothing is defaulted or validated yet. An empty text has no objects.
Result<Manifest> decodeManifest(std::string_view text, UnknownFields unknown = UnknownFields::kWarn);

}  // namespace keelson::api
