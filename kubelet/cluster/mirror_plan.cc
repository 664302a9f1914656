#include "kubelet/cluster/mirror_plan.h"

#include <set>

#include "kubelet/cluster/status_patch.h"
#include "kubelet/static_pod.h"

namespace keelson::kubelet::cluster {
namespace {

bool isStatic(const PodView& view) {
  const auto source = view.pod->metadata.annotations.find(kConfigSource);
  return source != view.pod->metadata.annotations.end() && source->second != kApiSource &&
         view.source != kApiSource;
}

}  // namespace

api::Pod makeMirror(const api::Pod& static_pod, const NodeIdentity& node) {
  api::Pod mirror = static_pod;
  api::ObjectMeta& metadata = mirror.metadata;
  metadata.annotations[kConfigMirror] = static_pod.metadata.uid;
  metadata.uid.clear();
  metadata.resource_version.clear();
  metadata.generation = 0;
  metadata.creation_timestamp.reset();
  metadata.deletion_timestamp.reset();
  metadata.deletion_grace_period_seconds.reset();
  metadata.finalizers.clear();
  metadata.owner_references = {{"v1", "Node", node.name, node.uid, true, std::nullopt}};
  mirror.status = {};
  return mirror;
}

MirrorPlan planMirrors(const std::vector<std::shared_ptr<const PodView>>& pods,
                       const std::vector<api::PodPtr>& api_pods, const NodeIdentity& node) {
  MirrorPlan plan;
  std::set<PodUid> here;
  for (const auto& view : pods) {
    if (isStatic(*view) && !view->released) here.insert(PodUid(view->pod->metadata.uid));
  }
  std::set<std::string> taken;
  for (const auto& pod : api_pods) {
    taken.insert(api::podFullName(*pod));
    if (!isMirror(*pod)) continue;
    const bool wanted = here.count(localUid(*pod)) > 0 && !pod->metadata.deletion_timestamp;
    if (!wanted) plan.remove.push_back(pod->metadata);
  }
  if (node.uid.empty()) return plan;
  for (const auto& view : pods) {
    if (!isStatic(*view) || view->released || view->terminating) continue;
    // Also one name is made once: a pod and its successor never are there both.
    if (taken.insert(api::podFullName(*view->pod)).second) {
      plan.create.push_back(makeMirror(*view->pod, node));
    }
  }
  return plan;
}

}  // namespace keelson::kubelet::cluster
