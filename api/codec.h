// JSON to Kubernetes values and back: the one door for every kind.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace keelson::api {

// What to do with a field that this project does not know: the kubelet's lenient way for manifests
// (a warning), or the strict field validation of the API server (an error).
enum class UnknownFields { kWarn, kRefuse };

// A decoded value and what a person should know about its text ("spec.foo: unknown field").
template <class T>
struct Decoded {
  T value;
  std::vector<std::string> warnings;
};

// Instantiated for Pod, PodSpec, PodStatus, ConfigMap, Secret, Service, EndpointSlice, Node and
// RuntimeClass beside each kind. null means absent; fields that nothing here acts on are accepted and dropped. Errors are
// kInvalidArgument and name the field: "spec.containers[1].image: expected a string, got a number";
// several are joined as "[a, b]". A whole object must carry its own apiVersion and kind, or none.
template <class T>
Result<Decoded<T>> decode(const json::value& value, UnknownFields unknown = UnknownFields::kWarn);

// The JSON that the API server would show: v1 names, empty fields left out as Go's omitempty does.
// A whole object starts with apiVersion and kind.
template <class T>
json::value encode(const T& value);

}  // namespace keelson::api
