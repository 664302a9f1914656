// Everything a pod's strand holds about its pod.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "kubelet/events.h"
#include "kubelet/log_files.h"
#include "kubelet/object_store.h"
#include "kubelet/pod_directory.h"
#include "kubelet/pod_observation.h"
#include "kubelet/pod_record.h"
#include "kubelet/volumes.h"

namespace keelson::kubelet {

// A container's image: being fetched, or fetched for one attempt.
struct ImageProgress {
  bool pulling = false;
  std::optional<uint32_t> pulled_for;
  std::shared_ptr<const runtime::Image> image;  // with pulled_for
};

struct MountProgress {
  StepState state = StepState::kNone;
  OpenedMounts opened;  // kReady
};

// What the files of the pod's volumes were made of.
struct VolumesMadeOf {
  api::PodPtr pod;
  ObjectsSeen objects;
  std::vector<TokenPtr> tokens;
  bool operator==(const VolumesMadeOf&) const = default;
};

// Plain data of one pod. Home: its strand. Only `record` outlives the daemon.
struct PodState {
  PodUid uid;
  api::PodPtr pod;  // desired; of a deleted pod the last one
  std::string source;
  PodDirectory directory;
  PodRecord record;

  runtime::ObservedPod observed;
  std::map<std::string, ImageProgress> images;  // by container
  StepState volumes = StepState::kNone;
  uint32_t volumes_of = 0;                      // the sandbox they were made for
  uint64_t volumes_job = 0;                     // a result of an older job is not for us
  std::map<std::string, MountProgress> mounts;  // by container
  api::PodPtr references_of;                    // the pod that `references` is of
  ObjectReferences references;
  ObjectsSeen objects_seen;                      // of the last look
  std::vector<TokenPtr> tokens_seen;             // likewise
  std::optional<VolumesMadeOf> volumes_made_of;  // nullopt: to be written (again)
  std::optional<StepFailure> pod_failure;
  std::map<std::string, StepFailure> start_failures;
  bool releasing = false;
  bool gone = false;

  EventList events;
  std::function<void(const Event&)> on_event;  // hears every occurrence
  Timeline timeline;
  bool news = false;  // events or timeline have grown since they were published

  LogFiles::Owner owner() const { return {pod->metadata.namespace_, pod->metadata.name, uid}; }
  void add(Event event);
  void event(const char* type, const std::string& reason, const std::string& message,
             const std::string& container, WallTime now);
  void step(const std::string& what, const std::string& outcome, Duration took, WallTime now);
  const api::Container* container(const std::string& name) const;
  std::string fieldPath(const std::string& container_name) const;
};

// Retries grow from 1 s to 10 s; kubelet's own wait is 10 s.
StepFailure stepFailure(const StepFailure* before, std::string reason, std::string message, WallTime now);

}  // namespace keelson::kubelet
