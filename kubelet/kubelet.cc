#include "kubelet/kubelet.h"

#include <algorithm>
#include <set>

#include "base/guarded.h"
#include "base/log.h"
#include "kubelet/exec_probes.h"
#include "kubelet/manifest_source.h"
#include "kubelet/pod_directory.h"
#include "kubelet/pod_lookup.h"
#include "kubelet/pod_workers.h"
#include "runtime/cgroup_layout.h"

namespace keelson::kubelet {
namespace {

// Node-wide upkeep that failed is tried again after this long.
constexpr Duration kNodeRetry = std::chrono::seconds(5);
constexpr Duration kStartDeadline = std::chrono::seconds(60);

// kubepods and the QoS classes below it, with what all pods together may have.
std::vector<runtime::CgroupRequest> nodeCgroups(const Options& options,
                                                const std::vector<api::PodPtr>& pods) {
  auto requests = runtime::qosCgroups(options.cgroups, pods, options.node_cpu);
  if (options.limit_pods) requests.front() = options.limit_pods(std::move(requests.front()));
  return requests;
}

// The loop's side of the kubelet. Shared with callbacks, which find it closed after stop().
class Core : public WorkerHost,
             public probes::ProbeListener,
             public HookListener,
             public std::enable_shared_from_this<Core> {
 public:
  Core(const Options& options, const Dependencies& dependencies)
      : context_(std::make_shared<WorkerContext>(options, dependencies)),
        loop_(dependencies.loop),
        workers_(context_),
        exec_probes_(loop_, probes_lane_, dependencies.runtime),
        prober_({loop_, dependencies.clock}, exec_probes_, *this),
        hooks_({loop_, dependencies.clock}, exec_probes_, *this),
        node_strand_(dependencies.pods, "node"),
        source_(loop_, dependencies.volumes, dependencies.clock,
                {options.static_pod_path, options.node_name, options.file_check_frequency}) {}

  Result<void> start();
  void stop();

  void reattach(const std::vector<PodUid>& uids) {
    if (closed_) return;
    for (const auto& uid : uids) workers_.reattach(uid);
  }

  void setObjects(const ObjectStorePtr& objects, const std::vector<PodUid>& concerned) {
    cluster_objects_ = objects->cluster;
    shareObjects();
    wake(concerned);
  }
  void setTokens(std::shared_ptr<TokenSource> tokens) { context_->tokens.exchange(std::move(tokens)); }
  void wake(const std::vector<PodUid>& uids) {
    if (closed_) return;
    for (const auto& uid : uids) workers_.wake(uid);
  }

  const PodWorkers& workers() const { return workers_; }
  std::vector<ManifestView> manifests() const { return views_.copy(); }
  const Options& options() const { return context_->options; }
  void addListener(std::function<void(const PodUid&)> listener) { listeners_.push_back(std::move(listener)); }

  void addManifestListener(std::function<void()> listener) {
    manifest_listeners_.push_back(std::move(listener));
  }
  ObjectStorePtr objects() const { return context_->objects.copy(); }
  void addEventListener(std::function<void(const api::PodPtr&, const Event&)> listener) {
    event_listeners_.push_back(std::move(listener));
  }
  void setApiPods(std::vector<api::PodPtr> pods);
  void setNodeLabels(api::StringMap labels) { context_->node_labels.exchange(std::move(labels)); }
  PodWorkers& workers() { return workers_; }
  bool evict(const PodUid& uid, Ending ending, Duration grace) {
    ending.grace = grace;
    ending.disruption = true;
    return !closed_ && workers_.evict(uid, std::move(ending));
  }

  // ---- WorkerHost: from strands ----
  void podChanged(const PodUid& uid) override {
    onLoop([uid](Core& core) {
      for (const auto& listener : core.listeners_) listener(uid);
    });
  }
  void podEvent(const api::PodPtr& pod, const Event& event) override {
    onLoop([pod, event](Core& core) {
      for (const auto& listener : core.event_listeners_) listener(pod, event);
    });
  }
  void setProbed(const PodUid& uid, std::vector<probes::Subject> subjects) override {
    onLoop([uid, subjects = std::move(subjects)](Core& core) mutable {
      core.prober_.setSubjects(uid, std::move(subjects));
    });
  }
  void setHooks(const PodUid& uid, std::vector<HookOrder> orders) override {
    onLoop([uid, orders = std::move(orders)](Core& core) mutable {
      core.hooks_.setHooks(uid, std::move(orders));
    });
  }
  void wakeAfter(const PodUid& uid, Duration delay) override {
    onLoop([uid, delay](Core& core) { core.workers_.wakeAfter(uid, delay); });
  }
  void podGone(const PodUid& uid) override {
    onLoop([uid](Core& core) {
      core.workers_.forget(uid);
      core.keepNode();
      for (const auto& listener : core.listeners_) listener(uid);
    });
  }

  // ---- HookListener, ProbeListener: on the loop ----
  void onHookEnded(const HookResult& result) override { workers_.hookEnded(result); }
  void onHookEvent(const PodUid& uid, const std::string& container, const std::string& reason,
                   const std::string& message) override {
    workers_.note(uid, container, reason, message);
  }
  void onFinding(const probes::Finding& finding) override { workers_.probed(finding); }
  void onEvent(const PodUid& uid, const std::string& container, const std::string& reason,
               const std::string& message) override {
    workers_.note(uid, container, reason, message);
  }

 private:
  template <class Task>
  void onLoop(Task task) {
    loop_.post([weak = weak_from_this(), task = std::move(task)]() mutable {
      const auto self = weak.lock();
      if (self && !self->closed_) task(*self);
    });
  }

  void apply(const ManifestSnapshot& snapshot);
  bool sync();
  void takeLeftover(const Leftover& leftover, bool in_manifests, std::map<PodUid, PodRecord>& records);
  void releaseHeld();
  void shareObjects();
  void keepNode();
  Result<std::vector<Leftover>> readLeftovers() const;
  void sweepRemoved(std::vector<std::string> names) const;

  const WorkerContextPtr context_;
  Loop& loop_;
  PodWorkers workers_;
  Lane probes_lane_{"probes",
                    2};  // starts the commands of probes and hooks; nobody waits there for their end
  ExecProbes exec_probes_;
  probes::Prober prober_;
  HookRunner hooks_;
  Strand node_strand_;
  ManifestSource source_;
  ObjectStorePtr folder_objects_ = std::make_shared<const ObjectStore>();
  std::shared_ptr<const ClusterObjects> cluster_objects_;  // null without an API server
  Registration resync_, node_retry_;
  std::vector<std::function<void(const PodUid&)>> listeners_;
  std::vector<std::function<void()>> manifest_listeners_;
  std::vector<std::function<void(const api::PodPtr&, const Event&)>> event_listeners_;
  std::vector<ManifestSnapshot::Entry> manifest_pods_;
  std::vector<ManifestSnapshot::Entry>
      api_pods_;                // before the first list: what an earlier life got from there
  std::vector<Leftover> held_;  // nobody knows yet whether they are still wanted
  bool api_synced_ = false;
  Guarded<std::vector<ManifestView>> views_;
  std::map<std::string, std::string> logged_;  // errors of manifests, so that each is logged once
  bool closed_ = false;
};

// Every pod that left a folder or a run folder, with what can be read of it.
Result<std::vector<Leftover>> Core::readLeftovers() const {
  std::set<PodUid> uids;
  for (const auto& uid : TRY_CTX(listPodDirectories(options().root_dir), "pods of an earlier life"))
    uids.insert(uid);
  for (const auto& uid : TRY_CTX(context_->deps.runtime.list(), "sandboxes of an earlier life"))
    uids.insert(uid);
  std::vector<Leftover> found;
  for (const auto& uid : uids) {
    Leftover leftover;
    leftover.uid = uid;
    const auto directory = PodDirectory::open(options().root_dir, uid);
    if (directory) {
      auto record = directory->readRecord();
      if (record) {
        leftover.record = std::move(*record);
      } else if (record.error().code != Code::kNotFound) {
        LOG_WARN("pod {}: {}; its restart counts are taken from logs and runtime", uid.str(),
                 record.error().text);
      }
      auto pod = directory->readAllocated();
      if (pod && (*pod)->metadata.uid == uid.str()) leftover.pod = std::move(*pod);
    }
    found.push_back(std::move(leftover));
  }
  return found;
}

// Goes on with removals that were cut off; large trees take their time.
void Core::sweepRemoved(std::vector<std::string> names) const {
  if (names.empty()) return;
  auto busy = std::make_shared<Busy>(context_);
  context_->deps.volumes.post([context = context_, busy, names = std::move(names)] {
    for (const auto& name : names) {
      if (context->stopping) return;
      const auto removed = removePodTree(context->options.root_dir, name);
      if (!removed) LOG_WARN("removed pod {}: {}", name, removed.error().text);
    }
  });
}

Result<void> Core::start() {
  context_->host.exchange(shared_from_this());
  TRY_CTX(DirFd::ensure(options().root_dir + "/pods", 0750), "kubelet root");
  context_->deps.runtime.setListener([weak = weak_from_this()](const PodUid& uid) {
    const auto self = weak.lock();
    if (self && !self->closed_) self->workers_.wake(uid);
  });
  Stop stop(kStartDeadline);
  const ErrorList unclean = context_->deps.runtime.cleanUp(stop);
  for (const auto& error : unclean.errors()) LOG_WARN("clean up: {}", error.text);
  const auto leftovers = TRY(readLeftovers());
  sweepRemoved(TRY_CTX(listRemovedPodTrees(options().root_dir), "removed pods of an earlier life"));

  // A pod whose deletion has begun is nobody's any more: its manifest, if it is here, makes a new one.
  for (const auto& leftover : leftovers) {
    if (!leftover.pod || !leftover.record || leftover.record->deletion) continue;
    const std::string& source = leftover.record->source;
    if (!source.empty() && source != kApiSource) source_.seed({leftover.pod, leftover.record->source});
  }
  const auto first =
      TRY(source_.start([weak = weak_from_this()](std::shared_ptr<const ManifestSnapshot> snapshot) {
        const auto self = weak.lock();
        if (self && !self->closed_) self->apply(*snapshot);
      }));
  std::set<PodUid> known;
  for (const auto& leftover : leftovers) known.insert(leftover.uid);
  for (const auto& entry : first->pods) known.insert(PodUid(entry.pod->metadata.uid));

  TRY_CTX(context_->deps.runtime.ensureCgroups(nodeCgroups(options(), {})), "cgroups of the QoS classes");
  if (const auto up = context_->deps.network.ensureNode(stop); !up)
    LOG_ERROR("pod network: {}", up.error().text);
  if (const auto clean = context_->deps.network.reconcile(known, stop); !clean) {
    LOG_WARN("pod network: {}", clean.error().text);
  }
  const ErrorList dead_links = context_->logs.removeDeadLinks();
  for (const auto& error : dead_links.errors()) LOG_WARN("log links: {}", error.text);

  // Leftovers first: a pod of a changed manifest waits for the one that has its name.
  std::set<PodUid> desired;
  for (const auto& entry : first->pods) desired.insert(PodUid(entry.pod->metadata.uid));
  std::map<PodUid, PodRecord> records;
  for (const auto& leftover : leftovers) takeLeftover(leftover, desired.count(leftover.uid) > 0, records);
  workers_.remember(std::move(records));
  apply(*first);
  resync_ = loop_.every(options().sync_frequency, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->closed_) return;
    self->workers_.wakeAll();
    self->keepNode();
  });
  return {};
}

// Whose source has spoken goes on or is torn down; a pod of the API server goes on until it speaks.
void Core::takeLeftover(const Leftover& leftover, bool in_manifests, std::map<PodUid, PodRecord>& records) {
  const bool deleted = leftover.record && leftover.record->deletion;
  const std::string source = leftover.record ? leftover.record->source : "";
  const bool api_may_know =
      options().wait_for_api && !api_synced_ && (source.empty() || source == kApiSource);
  if (deleted) return workers_.clear(leftover);
  if (in_manifests) {
    if (leftover.record) records[leftover.uid] = *leftover.record;
    return;
  }
  if (!api_may_know) return workers_.clear(leftover);
  if (source == kApiSource && leftover.pod) {
    records[leftover.uid] = *leftover.record;
    api_pods_.push_back({leftover.pod, kApiSource});
  } else {
    held_.push_back(leftover);
  }
}

void Core::stop() {
  if (closed_) return;
  closed_ = true;
  source_.stop();
  prober_.stop();
  hooks_.stop();
  probes_lane_.join();
  resync_.reset();
  node_retry_.reset();
  context_->stopping = true;
  context_->pulls.cancel();
  context_->host.exchange(nullptr);
  workers_.close();
  node_strand_.close();
  for (int running = context_->busy; running > 0; running = context_->busy) context_->busy.wait(running);
}

void Core::apply(const ManifestSnapshot& snapshot) {
  for (const auto& view : snapshot.views) {
    std::string& logged = logged_[view.file];
    if (logged != view.error && !view.error.empty()) LOG_ERROR("manifest {}: {}", view.file, view.error);
    logged = view.error;
  }
  views_.exchange(snapshot.views);
  const bool objects_changed = !sameFolderObjects(*folder_objects_, *snapshot.objects);
  folder_objects_ = snapshot.objects;
  shareObjects();
  manifest_pods_ = snapshot.pods;
  sync();
  if (objects_changed) {
    workers_.wakeAll();
    for (const auto& listener : manifest_listeners_) listener();
  }
  keepNode();
}

bool Core::sync() {
  auto desired = manifest_pods_;
  desired.insert(desired.end(), api_pods_.begin(), api_pods_.end());
  return workers_.setDesired(desired);
}

// The first list of the API server is here.
void Core::releaseHeld() {
  std::set<PodUid> wanted;
  for (const auto& entry : api_pods_) wanted.insert(PodUid(entry.pod->metadata.uid));
  std::map<PodUid, PodRecord> records;
  for (const auto& leftover : std::exchange(held_, {})) {
    if (!wanted.count(leftover.uid)) {
      workers_.clear(leftover);
    } else {
      workers_.adopt(leftover.uid);
      if (leftover.record) records[leftover.uid] = *leftover.record;
    }
  }
  workers_.remember(std::move(records));
}

void Core::setApiPods(std::vector<api::PodPtr> pods) {
  if (closed_) return;
  std::vector<ManifestSnapshot::Entry> entries;
  for (auto& pod : pods) {
    if (pod->metadata.annotations.count(kConfigMirror)) continue;
    if (!isSafeUid(pod->metadata.uid)) {
      LOG_ERROR("pod {}: uid \"{}\" cannot name a folder, it is left alone", api::podFullName(*pod),
                pod->metadata.uid);
      continue;
    }
    entries.push_back({std::move(pod), kApiSource});
  }
  // Those that came first have the better right to what is left of the node.
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return a.pod->metadata.creation_timestamp < b.pod->metadata.creation_timestamp;
  });
  api_pods_ = std::move(entries);
  workers_.trustApi();
  if (!std::exchange(api_synced_, true)) releaseHeld();
  if (sync()) keepNode();
}

// The folder's objects and the API server's in one snapshot for all workers.
void Core::shareObjects() {
  auto store = std::make_shared<ObjectStore>(*folder_objects_);
  store->cluster = cluster_objects_;
  context_->objects.exchange(std::move(store));
}

// The network's node-wide parts and the weights of the QoS classes, put back wherever they are missing.
void Core::keepNode() {
  auto busy = std::make_shared<Busy>(context_);
  node_strand_.post([context = context_, busy, pods = workers_.active(), weak = weak_from_this()] {
    if (context->stopping) return;
    const Options& options = context->options;
    const auto weights = context->deps.runtime.ensureCgroups(nodeCgroups(options, pods));
    if (!weights) LOG_WARN("cgroups of the QoS classes: {}", weights.error().text);
    Stop stop(kCallDeadline);
    const auto network = context->deps.network.ensureNode(stop);
    if (network) return;
    LOG_ERROR("pod network: {}", network.error().text);
    context->deps.loop.post([weak] {
      const auto self = weak.lock();
      if (!self || self->closed_) return;
      self->node_retry_ = self->loop_.after(kNodeRetry, [weak] {
        const auto later = weak.lock();
        if (later && !later->closed_) later->keepNode();
      });
    });
  });
}

class NodeKubelet : public Kubelet {
 public:
  NodeKubelet(const Options& options, const Dependencies& dependencies)
      : core_(std::make_shared<Core>(options, dependencies)) {}
  ~NodeKubelet() override { core_->stop(); }

  Result<void> start() override { return core_->start(); }
  void stop() override { core_->stop(); }

  std::vector<std::shared_ptr<const PodView>> pods() const override {
    return viewsOf(core_->workers().published());
  }
  Result<std::shared_ptr<const PodView>> pod(const std::string& pod_namespace,
                                             const std::string& name) const override {
    return TRY(lookUp(pod_namespace, name))->view;
  }
  std::shared_ptr<const PodView> podByUid(const PodUid& uid) const override {
    const auto found = std::as_const(*core_).workers().published(uid);
    return found ? found->view : nullptr;
  }
  void setApiPods(std::vector<api::PodPtr> pods) override { core_->setApiPods(std::move(pods)); }
  void setNodeLabels(api::StringMap labels) override { core_->setNodeLabels(std::move(labels)); }
  void setAdmissionCheck(std::function<Admission(const api::Pod&)> check) override {
    core_->workers().setAdmissionCheck(std::move(check));
  }
  bool evict(const PodUid& uid, Ending ending, Duration grace) override {
    return core_->evict(uid, std::move(ending), grace);
  }
  void onPodEvent(std::function<void(const api::PodPtr&, const Event&)> listener) override {
    core_->addEventListener(std::move(listener));
  }
  std::vector<ManifestView> manifests() const override { return core_->manifests(); }
  Result<Instance> instance(const std::string& pod_namespace, const std::string& name,
                            const std::string& container, Which which) const override {
    const auto found = TRY(lookUp(pod_namespace, name));
    Instance made = TRY(findInstance(*found, container, which));
    const api::ObjectMeta& metadata = found->view->pod->metadata;
    const LogFiles logs(core_->options().pod_logs_dir, core_->options().container_logs_dir);
    made.log_directory =
        logs.containerDirectory({metadata.namespace_, metadata.name, PodUid(metadata.uid)}, container);
    return made;
  }
  void setObjects(ObjectStorePtr objects, const std::vector<PodUid>& concerned) override {
    core_->setObjects(objects, concerned);
  }
  ObjectStorePtr objects() const override { return core_->objects(); }
  void onManifestsChanged(std::function<void()> listener) override {
    core_->addManifestListener(std::move(listener));
  }
  void setTokens(std::shared_ptr<TokenSource> tokens) override { core_->setTokens(std::move(tokens)); }
  void wake(const std::vector<PodUid>& uids) override { core_->wake(uids); }
  void reattach(const std::vector<PodUid>& uids) override { core_->reattach(uids); }
  void onPodChanged(std::function<void(const PodUid&)> listener) override {
    core_->addListener(std::move(listener));
  }

 private:
  Result<PublishedPodPtr> lookUp(const std::string& pod_namespace, const std::string& name) const {
    return findPod(core_->workers().published(), pod_namespace, name, core_->options().node_name);
  }

  const std::shared_ptr<Core> core_;
};

}  // namespace

std::unique_ptr<Kubelet> makeKubelet(const Options& options, const Dependencies& dependencies) {
  return std::make_unique<NodeKubelet>(options, dependencies);
}

}  // namespace keelson::kubelet
