#include "kubelet/pod_workers.h"

#include <algorithm>

#include "base/log.h"
#include "kubelet/pod_ending.h"

namespace keelson::kubelet {
namespace {

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
      1;  // Kubernetes gives orphans one second, the floor makes it two
  return pod;
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
  start.source = "none";
  auto worker = std::make_shared<PodWorker>(context_, std::move(start));
  // A deletion that was under way goes on with the time it has left.
  const bool deleted = leftover.record && leftover.record->deletion;
  LOG_INFO("pod {}: no manifest names it any more, it is torn down", worker->fullName());
  slots_[leftover.uid].worker = worker;
  publishWorkers();
  if (deleted) {
    worker->wake();
  } else {
    worker->remove(specGrace(*worker->desired()));
  }
}

void PodWorkers::setDesired(const std::vector<ManifestSnapshot::Entry>& pods) {
  std::set<PodUid> desired;
  for (const auto& entry : pods) desired.insert(uidOf(*entry.pod));
  for (auto& [uid, slot] : slots_) {
    if (!desired.count(uid) && !slot.worker->terminating()) {
      LOG_INFO("pod {}: its manifest is gone, it is deleted", slot.worker->fullName());
      slot.worker->remove(specGrace(*slot.worker->desired()));
    }
  }
  waiting_.clear();
  for (const auto& entry : pods) {
    const auto slot = slots_.find(uidOf(*entry.pod));
    if (slot != slots_.end() && !slot->second.worker->terminating()) {
      if (slot->second.worker->desired() != entry.pod) slot->second.worker->update(entry.pod);
    } else {
      waiting_.push_back(entry);
    }
  }
  // After a restart: what runs already is counted before newcomers are admitted.
  std::stable_partition(waiting_.begin(), waiting_.end(),
                        [&](const Waiting& entry) { return records_.count(uidOf(*entry.pod)) > 0; });
  startWaiting();
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
  slots_[uid].worker = worker;
  LOG_INFO("pod {}: from {}", worker->fullName(), entry.file);
  worker->wake();
}

void PodWorkers::reattach(const PodUid& uid) {
  const auto slot = slots_.find(uid);
  if (slot != slots_.end()) slot->second.worker->reattach();
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
  LOG_INFO("pod {}: gone", slot->second.worker->fullName());
  slot->second.worker->close();
  slots_.erase(slot);
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
  shown_.exchange(std::move(shown));
}

std::vector<PublishedPodPtr> PodWorkers::published() const {
  const Shown shown = shown_.copy();
  std::vector<PublishedPodPtr> all;
  for (const auto& worker : shown.workers) all.push_back(worker->published());
  all.insert(all.end(), shown.waiting.begin(), shown.waiting.end());
  return all;
}

}  // namespace keelson::kubelet
