// Which mirror pods the API server should have: the decision, without any effect.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/pod.h"
#include "kubelet/kubelet.h"

namespace keelson::kubelet::cluster {

// The Node that owns mirror pods.
struct NodeIdentity {
  std::string name;
  std::string uid;  // "": not registered yet, so no mirror can be made
};

struct MirrorPlan {
  std::vector<api::Pod> create;         // ready to be sent
  std::vector<api::ObjectMeta> remove;  // name, namespace and uid count
};

// The pod by which the API server knows a static pod: annotation kubernetes.io/config.mirror, owned by the
// node, without uid and status. Pure.
api::Pod makeMirror(const api::Pod& static_pod, const NodeIdentity& node);

// Each static pod that shall run has one mirror with its hash; the mirror of a pod that ends stays until
// nothing of the pod is left; a mirror that is being deleted, or has no static pod, is removed. Nothing is
// made in the place of an object that is still there. Pure.
// https://kubernetes.io/docs/tasks/configure-pod-container/static-pod/
MirrorPlan planMirrors(const std::vector<std::shared_ptr<const PodView>>& pods,
                       const std::vector<api::PodPtr>& api_pods, const NodeIdentity& node);

}  // namespace keelson::kubelet::cluster
