// Finding pods and container instances by the names people use.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kubelet/pod_worker.h"

namespace keelson::kubelet {

// By namespace and name, also without the "-<node>" suffix of static pods. A pod that is ending gives way to
// another of its name. kNotFound, or kInvalidArgument with the candidates. Pure.
Result<PublishedPodPtr> findPod(const std::vector<PublishedPodPtr>& pods, const std::string& pod_namespace,
                                const std::string& name, const std::string& node_name);

// The instance to read logs from or to exec in, without its log directory; kubelet's messages. Pure.
Result<Kubelet::Instance> findInstance(const PublishedPod& pod, const std::string& container,
                                       Kubelet::Which which);

// By namespace and name.
std::vector<std::shared_ptr<const PodView>> viewsOf(const std::vector<PublishedPodPtr>& pods);

}  // namespace keelson::kubelet
