// Refuses what the API server would refuse, in its words; manifests do not pass one.
#pragma once

#include "api/object.h"
#include "api/pod.h"
#include "base/result.h"

namespace keelson::api {

// All pure, any thread, for defaulted values. kInvalidArgument with every finding (at most
// kMaxFieldErrors are spelled out): "metadata.name: Required value: name or generateName is required",
// several joined as "[a, b]". Texts are those of `kubectl apply` against Kubernetes 1.36.
Result<void> validatePod(const Pod& pod);
Result<void> validateConfigMap(const ConfigMap& config_map);
Result<void> validateSecret(const Secret& secret);
Result<void> validateService(const Service& service);
Result<void> validateRuntimeClass(const RuntimeClass& runtime_class);

// By kind. Nodes and unknown objects pass.
Result<void> validateObject(const Object& object);

}  // namespace keelson::api
