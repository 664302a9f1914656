#include "kubelet/cluster/pod_source.h"

namespace keelson::kubelet::cluster {

PodSource::PodSource(Loop& loop, Lane& lane, api::client::ApiClient& client, const std::string& node_name,
                     api::client::FollowSettings settings)
    : informer_(loop, lane, client, {"/api/v1/pods", "spec.nodeName=" + node_name, ""}, settings) {}

void PodSource::start(Listener listener) {
  informer_.start([this, listener = std::move(listener)](const Changes& changes) {
    std::vector<api::PodPtr> pods;
    pods.reserve(informer_.objects().size());
    for (const auto& [key, pod] : informer_.objects()) pods.push_back(pod);
    listener(changes, pods);
  });
}

void PodSource::stop() { informer_.stop(); }

}  // namespace keelson::kubelet::cluster
