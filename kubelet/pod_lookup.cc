#include "kubelet/pod_lookup.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

namespace keelson::kubelet {
namespace {

std::string suffixOf(const std::string& node_name) {
  std::string suffix = "-" + node_name;
  std::transform(suffix.begin(), suffix.end(), suffix.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return suffix;
}

const api::ContainerStatus* statusOf(const api::Pod& pod, const std::string& container) {
  for (const auto* list : {&pod.status.init_container_statuses, &pod.status.container_statuses}) {
    for (const auto& status : *list) {
      if (status.name == container) return &status;
    }
  }
  return nullptr;
}

bool hasContainer(const api::Pod& pod, const std::string& name) {
  for (const auto* list : {&pod.spec.init_containers, &pod.spec.containers}) {
    for (const auto& container : *list) {
      if (container.name == name) return true;
    }
  }
  return false;
}

// Why there is nothing to read from yet, in kubelet's words.
Error notStarted(const api::Pod& pod, const std::string& container, const api::ContainerStatus* status) {
  std::string reason = status != nullptr && status->state.waiting ? status->state.waiting->reason : "";
  if (reason.empty()) reason = "ContainerCreating";
  if (reason == "ErrImagePull") reason = "image can't be pulled";
  if (reason == "ImagePullBackOff") reason = "trying and failing to pull image";
  return makeError(Code::kFailedPrecondition, "container \"{}\" in pod \"{}\" is waiting to start: {}",
                   container, pod.metadata.name, reason);
}

}  // namespace

Result<PublishedPodPtr> findPod(const std::vector<PublishedPodPtr>& pods, const std::string& pod_namespace,
                                const std::string& name, const std::string& node_name) {
  std::vector<PublishedPodPtr> exact, short_name;
  for (const auto& pod : pods) {
    const api::ObjectMeta& metadata = pod->view->pod->metadata;
    if (metadata.namespace_ != pod_namespace) continue;
    if (metadata.name == name) exact.push_back(pod);
    if (metadata.name == name + suffixOf(node_name)) short_name.push_back(pod);
  }
  auto& found = exact.empty() ? short_name : exact;
  if (found.empty()) return makeError(Code::kNotFound, "pods \"{}\" not found", name);
  if (found.size() > 1) {
    // A pod and its successor of the same name: the one that stays is meant; the successor has nothing to
    // show yet.
    const auto started = std::find_if(found.begin(), found.end(), [](const auto& pod) {
      return !pod->view->terminating && !pod->containers.empty();
    });
    const auto ending =
        std::find_if(found.begin(), found.end(), [](const auto& pod) { return pod->view->terminating; });
    if (started != found.end()) return *started;
    if (ending != found.end()) return *ending;
    std::vector<std::string> uids;
    for (const auto& pod : found) uids.push_back(pod->view->pod->metadata.uid);
    return makeError(Code::kInvalidArgument, "pods \"{}\": several have this name, with the uids {}", name,
                     fmt::join(uids, ", "));
  }
  return found.front();
}

Result<Kubelet::Instance> findInstance(const PublishedPod& pod, const std::string& container,
                                       Kubelet::Which which) {
  const api::Pod& spec = *pod.view->pod;
  if (!hasContainer(spec, container)) {
    return makeError(Code::kNotFound, "container {} is not valid for pod {}", container, spec.metadata.name);
  }
  const api::ContainerStatus* status = statusOf(spec, container);
  const auto known = pod.containers.find(container);
  const PublishedPod::Instances none;
  const PublishedPod::Instances& instances = known == pod.containers.end() ? none : known->second;
  std::optional<PublishedPod::Instance> chosen = instances.current;
  if (which == Kubelet::Which::kPrevious) {
    // The one in status.lastState: a container in back-off shows its newest dead instance there.
    const bool waits = status != nullptr && status->state.waiting.has_value();
    if (!waits) chosen = instances.previous;
    if (!chosen) {
      return makeError(Code::kNotFound, "previous terminated container \"{}\" in pod \"{}\" not found",
                       container, spec.metadata.name);
    }
  }
  if (!chosen) return notStarted(spec, container, status);
  Kubelet::Instance made;
  made.uid = PodUid(spec.metadata.uid);
  made.id = chosen->id;
  made.attempt = chosen->attempt;
  made.running = chosen->running;
  return made;
}

std::vector<std::shared_ptr<const PodView>> viewsOf(const std::vector<PublishedPodPtr>& pods) {
  std::vector<std::shared_ptr<const PodView>> views;
  for (const auto& pod : pods) views.push_back(pod->view);
  std::stable_sort(views.begin(), views.end(), [](const auto& a, const auto& b) {
    return api::podFullName(*a->pod) < api::podFullName(*b->pod);
  });
  return views;
}

}  // namespace keelson::kubelet
