// One pod, from its manifest to its last trace: looks, decides, acts, reports.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kubelet/pod_actions.h"
#include "kubelet/pod_status.h"
#include "kubelet/worker_context.h"

namespace keelson::kubelet {

// What others may see of a pod, immutable. Any thread.
struct PublishedPod {
  std::shared_ptr<const PodView> view;
  struct Instance {
    ContainerId id;
    uint32_t attempt = 0;
    bool running = false;
  };
  struct Instances {
    std::optional<Instance> current, previous;
  };
  std::map<std::string, Instances> containers;
};
using PublishedPodPtr = std::shared_ptr<const PublishedPod>;

// Owned by PodWorkers and kept alive by its own tasks. Everything but the methods below happens on its strand
// of lane pods, one task at a time; a look never waits for anything long. It may be dropped at any moment:
// the next life goes on from runtime and record.
class PodWorker : public std::enable_shared_from_this<PodWorker> {
 public:
  struct Start {
    PodUid uid;
    api::PodPtr pod;
    std::string source;
    std::optional<PodRecord> record;  // of an earlier life
    Admission admission;              // used unless the record has one
  };
  PodWorker(WorkerContextPtr context, Start start);

  // Any thread.
  void update(api::PodPtr pod);  // newest wins; the uid stays
  void remove(Duration grace);   // the pod shall go; a later call may only shorten
  void evict(Ending ending);     // the pod is over by this node's will, unless it is over already
  void probed(const probes::Finding& finding);  // a probe of an instance came to a result
  void hookEnded(const HookResult& result);
  // Something about a container, for its events.
  void note(const std::string& container, const std::string& reason, const std::string& message);
  void reattach();  // its link is gone: attach again if its sandbox is ready
  void wake();      // look soon; several calls are one look
  void close();     // no further task
  PublishedPodPtr published() const { return published_.copy(); }
  const PodUid& uid() const { return uid_; }
  const std::string& source() const { return source_; }
  // "namespace/name".
  const std::string& fullName() const { return full_name_; }
  bool terminating() const { return removal_.copy().has_value(); }
  api::PodPtr desired() const { return desired_.copy(); }
  // Whether its requests and ports count against those of new pods.
  bool holdsResources() const;

 private:
  void post(std::function<void()> task);
  Resume resume();
  void look();
  void takeNews();
  bool prepare();
  bool observe();
  bool endBlind();
  void noteEnds(const PodRecord& before);
  std::map<ContainerId, std::string> terminationMessages() const;
  void describeAdopted();
  PodObservation observation() const;
  bool act(const Plan& plan);
  void publish(const Plan& plan, const PodObservation& seen);
  void publishReleased();
  void tellProber();
  void tellHooks();
  // The newest instance of the container if it has this id and has not ended, else nullptr.
  InstanceRecord* liveInstance(const std::string& container, const ContainerId& id);
  PublishedPodPtr build(const api::PodStatus& status, const std::string& wait) const;
  void wakeAt(std::optional<WallTime> time);

  const WorkerContextPtr context_;
  const PodUid uid_;
  const std::string full_name_;
  Strand strand_;
  std::atomic<bool> wake_pending_{false};
  Guarded<api::PodPtr> desired_;
  const std::string source_;
  Guarded<std::optional<Duration>> removal_;
  Guarded<std::optional<Ending>> verdict_;
  Guarded<PublishedPodPtr> published_;

  // Strand:
  PodState state_;
  PodActions actions_;
  Admission admission_;
  api::PodStatus last_status_;
  std::string last_wait_;
  std::optional<Duration> taken_removal_;
  bool observed_ = false;
  std::map<ContainerId, std::pair<api::PodPtr, bool>> probed_;  // what the prober was told last
  std::set<std::pair<ContainerId, HookKind>> hooks_told_;
  bool published_once_ = false;
  bool was_terminating_ = false;
};

}  // namespace keelson::kubelet
