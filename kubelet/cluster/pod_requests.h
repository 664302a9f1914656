// The requests about pods that a node makes.
#pragma once

#include "api/client/api_client.h"
#include "api/pod.h"

namespace keelson::kubelet::cluster {

// "/api/v1/namespaces/<namespace>/pods"
std::string podsPath(const std::string& pod_namespace);

// Pure.
api::client::ApiRequest patchStatusRequest(const api::Pod& pod, json::value patch);
// Removes the object for good (grace period 0), if it still is the one with this uid.
api::client::ApiRequest deletePodRequest(const api::ObjectMeta& pod);
api::client::ApiRequest createPodRequest(const api::Pod& pod);

}  // namespace keelson::kubelet::cluster
