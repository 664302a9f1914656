// All pods of this node: which worker runs, which desired pod waits for its turn.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "kubelet/manifest_folder.h"
#include "kubelet/pod_worker.h"
#include "kubelet/worker_context.h"

namespace keelson::kubelet {

// A pod that an earlier life left: a record, a run folder, or both, and no manifest (any more).
struct Leftover {
  PodUid uid;
  std::optional<PodRecord> record;
  api::PodPtr pod;  // as it was admitted; nullptr if that cannot be read
};

// Owned by the kubelet. Home: loop, but for published(), which any thread may ask.
class PodWorkers {
 public:
  explicit PodWorkers(WorkerContextPtr context) : context_(std::move(context)) {}

  // Records of pods whose manifests may be here: used when their worker starts.
  void remember(std::map<PodUid, PodRecord> records) { records_.merge(records); }
  // Tears down what has no manifest: gracefully where its spec is known.
  void clear(const Leftover& leftover);
  // The pods that shall run (Entry::file is a manifest, or kApiSource): new ones are admitted in this order,
  // missing ones are deleted (those of the API server by force), changed ones updated. A pod waits until an
  // older one of its name is gone; of several edits meanwhile the last counts. An API pod that is over, or is
  // deleted without anything of it here, is only shown. True if a pod was started, changed or told to end.
  bool setDesired(const std::vector<ManifestSnapshot::Entry>& pods);
  // From now on an API pod that is missing in setDesired() is gone indeed.
  void trustApi() { api_synced_ = true; }
  // The runtime or a folder has something of this pod: it is adopted although it may be over.
  void adopt(const PodUid& uid) { adopted_.insert(uid); }
  void setAdmissionCheck(std::function<Admission(const api::Pod&)> check) { check_ = std::move(check); }
  // False if it has no worker.
  bool evict(const PodUid& uid, Ending ending);

  // Its link is gone: it is attached again. Unknown pods are fine.
  void reattach(const PodUid& uid);
  // From the runner of hooks and the prober; unknown pods are fine.
  void hookEnded(const HookResult& result);
  void probed(const probes::Finding& finding);
  void note(const PodUid& uid, const std::string& container, const std::string& reason,
            const std::string& message);
  void wake(const PodUid& uid);
  void wakeAll();
  void wakeAfter(const PodUid& uid, Duration delay);
  // The worker's pod is gone: whoever waited for its name may start.
  void forget(const PodUid& uid);
  void close();

  std::vector<PublishedPodPtr> published() const;
  // nullptr if unknown.
  PublishedPodPtr published(const PodUid& uid) const;
  // What runs here or is about to: for the weights of the QoS cgroups.
  std::vector<api::PodPtr> active() const;

 private:
  struct Slot {
    std::shared_ptr<PodWorker> worker;
    Registration timer;
    api::PodPtr given;  // what was handed to setDesired last; the worker may have an equivalent one
  };
  using Waiting = ManifestSnapshot::Entry;

  bool removeMissing(const std::set<PodUid>& desired);
  // An API pod that needs no worker.
  bool isSettled(const Waiting& pod) const;
  bool renew(Slot& slot, const Waiting& pod);
  void start(const Waiting& pod);
  void startWaiting();
  bool nameIsTaken(const std::string& full_name) const;
  Admission admit(const api::Pod& pod) const;
  void publishWorkers();

  const WorkerContextPtr context_;
  std::map<PodUid, Slot> slots_;
  std::vector<Waiting> waiting_;  // in the order of the manifests
  std::map<PodUid, PodRecord> records_;
  std::set<PodUid> adopted_;
  bool api_synced_ = false;
  std::set<PodUid> api_uids_;                  // of the last setDesired()
  std::map<PodUid, PublishedPodPtr> settled_;  // API pods of which nothing is left here
  std::function<Admission(const api::Pod&)> check_;
  struct Shown {
    std::vector<std::shared_ptr<PodWorker>> workers;
    std::vector<PublishedPodPtr> waiting;
    std::vector<PublishedPodPtr> settled;
  };
  Guarded<Shown> shown_;
};

}  // namespace keelson::kubelet
