#include "kubelet/eviction/reclaim.h"

namespace keelson::kubelet::eviction {
namespace {

// Every image reference of a pod's containers, and those its statuses name.
std::set<std::string> referencesOf(const std::vector<api::PodPtr>& pods) {
  std::set<std::string> references;
  const auto add = [&references](const std::string& text) {
    if (!text.empty()) references.insert(text);
  };
  for (const api::PodPtr& pod : pods) {
    for (const api::Container& container : pod->spec.init_containers) add(container.image);
    for (const api::Container& container : pod->spec.containers) add(container.image);
    for (const api::EphemeralContainer& container : pod->spec.ephemeral_containers)
      add(container.common.image);
    for (const api::Volume& volume : pod->spec.volumes) {
      if (volume.image) add(volume.image->reference);
    }
    const api::PodStatus& status = pod->status;
    for (const auto* list : {&status.init_container_statuses, &status.container_statuses,
                             &status.ephemeral_container_statuses}) {
      for (const api::ContainerStatus& each : *list) add(each.image_id);
    }
  }
  return references;
}

}  // namespace

bool imagesHelp(Signal signal, const stats::DiskLayout& layout) {
  switch (signal) {
    case Signal::kMemoryAvailable:
    case Signal::kAllocatableMemoryAvailable:
    case Signal::kPidAvailable:
      return false;
    case Signal::kImagefsAvailable:
    case Signal::kImagefsInodesFree:
      return true;
    case Signal::kContainerfsAvailable:
    case Signal::kContainerfsInodesFree:
      return !layout.split_containerfs;
    case Signal::kNodefsAvailable:
    case Signal::kNodefsInodesFree:
      return !layout.dedicated_imagefs;
  }
  return false;
}

std::vector<std::string> planUnusedImages(const Images& images, const std::set<std::string>& used) {
  std::vector<std::string> unused;
  for (const auto& image : images) {
    if (used.count(image->id) == 0) unused.push_back(image->id);
  }
  return unused;
}

ErrorList ImageReclaim::unusedImages(const std::vector<api::PodPtr>& pods, Stop& stop) {
  ErrorList errors;
  std::set<std::string> used;
  for (const std::string& reference : referencesOf(pods)) {
    const auto found = service_.find(reference);
    if (found && *found) used.insert((*found)->id);
  }
  for (const std::string& id : planUnusedImages(service_.list(), used)) {
    if (auto checked = stop.check("remove unused images"); !checked) {
      errors.add(std::move(checked));
      break;
    }
    errors.add(service_.remove(id));
  }
  return errors;
}

}  // namespace keelson::kubelet::eviction
