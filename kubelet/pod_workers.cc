#include "kubelet/pod_workers.h"

#include <algorithm>

#include "base/log.h"
#include "kubelet/pod_ending.h"
#include "kubelet/pod_status.h"

namespace keelson::kubelet {
namespace {

// Kubernetes gives orphans one second; the floor of every container makes it two.
constexpr Duration kOrphanGrace = std::chrono::seconds(1);

PodUid uidOf(const api::Pod& pod) { return PodUid(pod.metadata.uid); }

// A pod of which only its uid, or its name too, is known: enough to end it.
api::PodPtr namelessPod(const Leftover& leftover) {
  auto pod = std::make_shared<api::Pod>();
  pod->metadata.uid = leftover.uid.str();
  pod->metadata.name = leftover.record && !leftover.record->pod_name.empty()
                           ? leftover.record->pod_name
                           : "unknown-" + leftover.uid.str();
  pod->metadata.namespace_ =
      leftover.record && !leftover.record->pod_namespace.empty() ? leftover.record->pod_namespace : "default";
  pod->spec.termination_grace_period_seconds =
      std::chrono::duration_cast<std::chrono::seconds>(kOrphanGrace).count();
  return pod;
}

// Nothing of it is on this node.
PublishedPodPtr settledView(const api::PodPtr& pod) {
  auto view = std::make_shared<PodView>();
  api::Pod last = *pod;
  // Never begun, or its traces are lost: it ends as Kubernetes ends what it cannot find.
  if (!isOver(last.status)) last.status.phase = "Failed";
  view->pod = std::make_shared<const api::Pod>(std::move(last));
  view->source = kApiSource;
  view->terminating = pod->metadata.deletion_timestamp.has_value();
  view->observed = true;
  view->released = true;
  auto published = std::make_shared<PublishedPod>();
  published->view = std::move(view);
  return published;
}

// The grace period that the API server gave with a deletion.
Duration deletionGrace(const api::Pod& pod) {
  const auto& given = pod.metadata.deletion_grace_period_seconds;
  return given ? Duration(std::chrono::seconds(std::max<int64_t>(0, *given))) : specGrace(pod);
}

std::vector<std::string> gateStates(const api::Pod& pod) {
  std::vector<std::string> states;
  for (const auto& gate : pod.spec.readiness_gates) {
    for (const auto& known : pod.status.conditions) {
      if (known.type == gate.condition_type) states.push_back(known.type + "=" + known.status);
    }
  }
  return states;
}

// Most changes of an API pod are our own status coming back: a worker need not look for that.
bool sameForWorker(const api::Pod& a, const api::Pod& b) {
  return a.metadata.labels == b.metadata.labels && a.metadata.annotations == b.metadata.annotations &&
         a.metadata.generation == b.metadata.generation &&
         a.metadata.deletion_timestamp == b.metadata.deletion_timestamp &&
         isOver(a.status) == isOver(b.status) && gateStates(a) == gateStates(b) && a.spec == b.spec;
}

PublishedPodPtr waitingView(const ManifestSnapshot::Entry& entry) {
  auto view = std::make_shared<PodView>();
  api::Pod pod = *entry.pod;
  pod.status.phase = "Pending";
  view->pod = std::make_shared<const api::Pod>(std::move(pod));
  view->source = entry.file;
  view->current_wait = "the pod of this name before it to end";
  auto published = std::make_shared<PublishedPod>();
  published->view = std::move(view);
  return published;
}

}  // namespace

void PodWorkers::clear(const Leftover& leftover) {
  if (slots_.count(leftover.uid)) return;
  PodWorker::Start start;
  start.uid = leftover.uid;
  start.pod = leftover.pod ? leftover.pod : namelessPod(leftover);
  start.record = leftover.record;
  const bool from_api = leftover.record && leftover.record->source == kApiSource;
  start.source = from_api ? kApiSource : "none";
  auto worker = std::make_shared<PodWorker>(context_, std::move(start));
  // A deletion that was under way goes on with the time it has left.
  const bool deleted = leftover.record && leftover.record->deletion;
  LOG_INFO("pod {}: nobody names it any more, it is torn down", worker->fullName());
  slots_[leftover.uid].worker = worker;
  publishWorkers();
  if (deleted) {
    worker->wake();
  } else {
    worker->remove(specGrace(*worker->desired()));
  }
}

bool PodWorkers::removeMissing(const std::set<PodUid>& desired) {
  bool changed = false;
  for (auto& [uid, slot] : slots_) {
    if (desired.count(uid)) continue;
    const bool from_api = slot.worker->source() == kApiSource;
    if (slot.worker->terminating() && !(from_api && api_synced_)) continue;
    if (!slot.worker->terminating()) {
      LOG_INFO("pod {}: its {} is gone, it is deleted", slot.worker->fullName(),
               from_api ? "object" : "manifest");
      changed = true;
    }
    // An object that is gone was deleted by force, or the cluster has given it up.
    slot.worker->remove(from_api ? kOrphanGrace : specGrace(*slot.worker->desired()));
  }
  return changed;
}

bool PodWorkers::isSettled(const Waiting& entry) const {
  if (entry.file != kApiSource) return false;
  const PodUid uid = uidOf(*entry.pod);
  if (slots_.count(uid) || records_.count(uid) || adopted_.count(uid)) return false;
  return isOver(entry.pod->status) || entry.pod->metadata.deletion_timestamp.has_value();
}

// What is new about a pod that has a worker.
bool PodWorkers::renew(Slot& slot, const Waiting& entry) {
  if (slot.given == entry.pod) return false;
  slot.given = entry.pod;
  const api::PodPtr before = slot.worker->desired();
  const bool changed = before != entry.pod && !sameForWorker(*before, *entry.pod);
  if (changed) slot.worker->update(entry.pod);
  if (entry.file == kApiSource && entry.pod->metadata.deletion_timestamp) {
    if (!slot.worker->terminating()) LOG_INFO("pod {}: it is deleted", slot.worker->fullName());
    slot.worker->remove(deletionGrace(*entry.pod));
  }
  return changed;
}

bool PodWorkers::setDesired(const std::vector<ManifestSnapshot::Entry>& pods) {
  std::set<PodUid> desired;
  api_uids_.clear();
  for (const auto& entry : pods) {
    desired.insert(uidOf(*entry.pod));
    if (entry.file == kApiSource) api_uids_.insert(uidOf(*entry.pod));
  }
  bool changed = removeMissing(desired);
  std::erase_if(settled_, [&](const auto& one) { return !api_uids_.count(one.first); });
  waiting_.clear();
  for (const auto& entry : pods) {
    const PodUid uid = uidOf(*entry.pod);
    const auto slot = slots_.find(uid);
    const bool deleted = entry.file == kApiSource && entry.pod->metadata.deletion_timestamp.has_value();
    if (slot != slots_.end() && (deleted || !slot->second.worker->terminating())) {
      changed = renew(slot->second, entry) || changed;
    } else if (const auto settled = settled_.find(uid); settled != settled_.end()) {
      continue;
    } else if (isSettled(entry)) {
      settled_[uid] = settledView(entry.pod);
      if (const auto host = context_->host.copy()) host->podChanged(uid);
    } else {
      waiting_.push_back(entry);
    }
  }
  // After a restart: what runs already is counted before newcomers are admitted.
  std::stable_partition(waiting_.begin(), waiting_.end(),
                        [&](const Waiting& entry) { return records_.count(uidOf(*entry.pod)) > 0; });
  const size_t before = slots_.size();
  startWaiting();
  return changed || slots_.size() != before;
}

bool PodWorkers::nameIsTaken(const std::string& full_name) const {
  return std::any_of(slots_.begin(), slots_.end(),
                     [&](const auto& slot) { return slot.second.worker->fullName() == full_name; });
}

void PodWorkers::startWaiting() {
  std::vector<Waiting> later;
  for (const auto& entry : std::exchange(waiting_, {})) {
    if (slots_.count(uidOf(*entry.pod)) || nameIsTaken(api::podFullName(*entry.pod))) {
      later.push_back(entry);
    } else {
      start(entry);
    }
  }
  waiting_ = std::move(later);
  publishWorkers();
}

Admission PodWorkers::admit(const api::Pod& pod) const {
  if (check_) {
    if (Admission refused = check_(pod); !refused.admitted) return refused;
  }
  return admitPod(pod, context_->nodeFacts(), active());
}

std::vector<api::PodPtr> PodWorkers::active() const {
  std::vector<api::PodPtr> pods;
  for (const auto& [uid, slot] : slots_) {
    if (slot.worker->holdsResources()) pods.push_back(slot.worker->desired());
  }
  return pods;
}

void PodWorkers::start(const Waiting& entry) {
  const PodUid uid = uidOf(*entry.pod);
  PodWorker::Start start;
  start.uid = uid;
  start.pod = entry.pod;
  start.source = entry.file;
  if (auto record = records_.extract(uid)) {
    start.record = std::move(record.mapped());
    // Its manifest is here again (or still): a deletion that had begun runs to its end, then it starts anew.
  }
  if (!start.record || !start.record->admission) start.admission = admit(*entry.pod);
  auto worker = std::make_shared<PodWorker>(context_, std::move(start));
  Slot& slot = slots_[uid];
  slot.worker = worker;
  slot.given = entry.pod;
  LOG_INFO("pod {}: from {}", worker->fullName(), entry.file);
  if (entry.file == kApiSource && entry.pod->metadata.deletion_timestamp) {
    worker->remove(deletionGrace(*entry.pod));
  }
  worker->wake();
}

void PodWorkers::reattach(const PodUid& uid) {
  const auto slot = slots_.find(uid);
  if (slot != slots_.end()) slot->second.worker->reattach();
}

bool PodWorkers::evict(const PodUid& uid, Ending ending) {
  const auto slot = slots_.find(uid);
  if (slot == slots_.end()) return false;
  slot->second.worker->evict(std::move(ending));
  return true;
}

void PodWorkers::hookEnded(const HookResult& result) {
  const auto slot = slots_.find(result.uid);
  if (slot != slots_.end()) slot->second.worker->hookEnded(result);
}

void PodWorkers::probed(const probes::Finding& finding) {
  const auto slot = slots_.find(finding.uid);
  if (slot != slots_.end()) slot->second.worker->probed(finding);
}

void PodWorkers::note(const PodUid& uid, const std::string& container, const std::string& reason,
                      const std::string& message) {
  const auto slot = slots_.find(uid);
  if (slot != slots_.end()) slot->second.worker->note(container, reason, message);
}

void PodWorkers::wake(const PodUid& uid) {
  const auto slot = slots_.find(uid);
  if (slot != slots_.end()) slot->second.worker->wake();
}

void PodWorkers::wakeAll() {
  for (auto& [uid, slot] : slots_) slot.worker->wake();
}

void PodWorkers::wakeAfter(const PodUid& uid, Duration delay) {
  const auto slot = slots_.find(uid);
  if (slot == slots_.end()) return;
  slot->second.timer =
      context_->deps.loop.after(delay, [weak = std::weak_ptr<PodWorker>(slot->second.worker)] {
        if (const auto worker = weak.lock()) worker->wake();
      });
}

void PodWorkers::forget(const PodUid& uid) {
  const auto slot = slots_.find(uid);
  if (slot == slots_.end()) return;
  const auto worker = slot->second.worker;
  LOG_INFO("pod {}: gone", worker->fullName());
  worker->close();
  slots_.erase(slot);
  adopted_.erase(uid);
  const bool comes_again = std::any_of(waiting_.begin(), waiting_.end(),
                                       [&](const Waiting& entry) { return uidOf(*entry.pod) == uid; });
  if (api_uids_.count(uid) && !comes_again) settled_[uid] = worker->published();
  startWaiting();
}

void PodWorkers::close() {
  for (auto& [uid, slot] : slots_) {
    slot.worker->close();
    slot.timer.reset();
  }
}

void PodWorkers::publishWorkers() {
  Shown shown;
  for (const auto& [uid, slot] : slots_) shown.workers.push_back(slot.worker);
  for (const auto& entry : waiting_) shown.waiting.push_back(waitingView(entry));
  for (const auto& [uid, pod] : settled_) shown.settled.push_back(pod);
  shown_.exchange(std::move(shown));
}

std::vector<PublishedPodPtr> PodWorkers::published() const {
  const Shown shown = shown_.copy();
  std::vector<PublishedPodPtr> all;
  for (const auto& worker : shown.workers) all.push_back(worker->published());
  all.insert(all.end(), shown.waiting.begin(), shown.waiting.end());
  all.insert(all.end(), shown.settled.begin(), shown.settled.end());
  return all;
}

PublishedPodPtr PodWorkers::published(const PodUid& uid) const {
  if (const auto slot = slots_.find(uid); slot != slots_.end()) return slot->second.worker->published();
  if (const auto settled = settled_.find(uid); settled != settled_.end()) return settled->second;
  for (const auto& entry : waiting_) {
    if (uidOf(*entry.pod) == uid) return waitingView(entry);
  }
  return nullptr;
}

}  // namespace keelson::kubelet
