#include "kubelet/cluster/pod_requests.h"

#include "api/codec.h"

namespace keelson::kubelet::cluster {

using api::client::ApiRequest;

std::string podsPath(const std::string& pod_namespace) {
  return "/api/v1/namespaces/" + pod_namespace + "/pods";
}

ApiRequest patchStatusRequest(const api::Pod& pod, json::value patch) {
  ApiRequest request;
  request.method = "PATCH";
  request.path = podsPath(pod.metadata.namespace_) + "/" + pod.metadata.name + "/status";
  request.body = std::move(patch);
  request.content_type = api::client::kStrategicMergePatch;
  return request;
}

ApiRequest deletePodRequest(const api::ObjectMeta& pod) {
  ApiRequest request;
  request.method = "DELETE";
  request.path = podsPath(pod.namespace_) + "/" + pod.name;
  request.body = json::object{{"kind", "DeleteOptions"},
                              {"apiVersion", "v1"},
                              {"gracePeriodSeconds", 0},
                              {"preconditions", {{"uid", pod.uid}}}};
  return request;
}

ApiRequest createPodRequest(const api::Pod& pod) {
  ApiRequest request;
  request.method = "POST";
  request.path = podsPath(pod.metadata.namespace_);
  request.body = api::encode(pod);
  request.body.as_object().erase("status");
  return request;
}

}  // namespace keelson::kubelet::cluster
