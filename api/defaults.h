// What the API server would fill in, for objects that never pass one.
#pragma once

#include <string_view>

#include "api/object.h"
#include "api/pod.h"
#include "api/service.h"

namespace keelson::api {

// All defaults of v1 Pod (pkg/apis/core/v1/defaults.go of Kubernetes) and the namespace "default".
// Running it twice changes nothing. What admission plugins add (service account, tolerations,
// overhead) is not here.
Pod defaultPod(Pod pod);

// All defaults of v1 Service and the namespace "default". Cluster IPs are not allocated.
Service defaultService(Service service);

// By kind; ConfigMap and Secret get the namespace "default", other kinds stay as they are.
Object defaultObject(Object object);

// Always for the tag "latest" or neither tag nor digest, else IfNotPresent.
std::string_view defaultPullPolicy(std::string_view image);

}  // namespace keelson::api
