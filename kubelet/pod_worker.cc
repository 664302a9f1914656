#include "kubelet/pod_worker.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/log.h"
#include "kubelet/container_stop.h"
#include "kubelet/pod_ending.h"
#include "kubelet/pod_history.h"
#include "kubelet/pod_volumes.h"
#include "kubelet/termination_message.h"
#include "kubelet/text.h"
#include "runtime/stop_signal.h"

namespace keelson::kubelet {
namespace {

// A plan leads to the next; more than this in a row means that something does not settle.
constexpr int kMaxRounds = 16;
// The look after a round in which something failed without a retry time of its own.
constexpr Duration kRetry = std::chrono::seconds(1);

std::optional<PublishedPod::Instance> publishedInstance(const std::optional<InstanceRecord>& instance) {
  if (!instance) return std::nullopt;
  return PublishedPod::Instance{instance->id, instance->attempt, !instance->exit};
}

}  // namespace

PodWorker::PodWorker(WorkerContextPtr context, Start start)
    : context_(std::move(context)),
      uid_(start.uid),
      full_name_(api::podFullName(*start.pod)),
      strand_(context_->deps.pods, "pod " + full_name_),
      desired_(start.pod),
      source_(start.source),
      actions_(state_, context_),
      admission_(std::move(start.admission)) {
  state_.uid = start.uid;
  state_.pod = start.pod;
  state_.source = std::move(start.source);
  const bool begun_before = start.record.has_value();
  if (start.record) {
    state_.record = std::move(*start.record);
  } else {
    // The runtime's state and the record may be lost (a reboot, a broken file); the logs still tell the
    // count.
    for (const auto* list : {&state_.pod->spec.init_containers, &state_.pod->spec.containers}) {
      for (const auto& container : *list) {
        const uint32_t next = context_->logs.nextAttempt(state_.owner(), container.name);
        if (next > 0) state_.record.containers[container.name].next_attempt = next;
      }
    }
  }
  state_.record.pod_namespace = state_.pod->metadata.namespace_;
  state_.record.pod_name = state_.pod->metadata.name;
  state_.record.source = state_.source;
  if (!state_.record.admission) state_.record.admission = admission_;
  if (state_.record.deletion) {
    taken_removal_ = state_.record.deletion->grace;
    removal_.exchange(taken_removal_);
  }
  state_.on_event = [this](const Event& event) {
    if (const auto host = context_->host.copy()) host->podEvent(state_.pod, event);
  };
  last_status_.conditions = state_.record.conditions;
  // A pod that is over holds no resources against those that start beside it, and is shown so at once.
  api::PodStatus known;
  known.conditions = state_.record.conditions;
  if (state_.record.ending || !state_.record.admission->admitted) {
    known = podStatus({*state_.pod, PodObservation{}, state_.record, context_->host_ips,
                       context_->policy.restart, context_->deps.clock.wall()});
    if (begun_before) last_status_ = known;  // what was told in an earlier life is no news
  }
  published_.exchange(build(known, "its first look"));
}

void PodWorker::post(std::function<void()> task) {
  auto busy = std::make_shared<Busy>(context_);
  strand_.post([self = shared_from_this(), busy, task = std::move(task)] { task(); });
}

Resume PodWorker::resume() {
  return [weak = weak_from_this()](std::function<void(PodState&)> apply) {
    const auto self = weak.lock();
    if (!self) return;
    self->post([worker = self.get(), apply = std::move(apply)] {
      apply(worker->state_);
      worker->look();
    });
  };
}

void PodWorker::update(api::PodPtr pod) {
  desired_.exchange(std::move(pod));
  wake();
}

void PodWorker::remove(Duration grace) {
  const bool sooner = removal_.with([&](std::optional<Duration>& removal) {
    if (removal && grace >= *removal) return false;
    removal = grace;
    return true;
  });
  if (sooner) wake();
}

void PodWorker::evict(Ending ending) {
  verdict_.with([&](std::optional<Ending>& verdict) {
    if (!verdict) verdict = std::move(ending);
  });
  wake();
}

InstanceRecord* PodWorker::liveInstance(const std::string& container, const ContainerId& id) {
  const auto found = state_.record.containers.find(container);
  if (found == state_.record.containers.end() || !found->second.current) return nullptr;
  InstanceRecord& instance = *found->second.current;
  return instance.id == id && !instance.exit ? &instance : nullptr;
}

void PodWorker::probed(const probes::Finding& finding) {
  post([this, finding] {
    InstanceRecord* instance = liveInstance(finding.container, finding.id);
    if (instance == nullptr) return;
    switch (finding.kind) {
      case probes::Kind::kReadiness:
        instance->ready = finding.success;
        break;
      case probes::Kind::kStartup:
        instance->started = finding.success;
        if (!finding.success) instance->failed_probe = "startup";
        break;
      case probes::Kind::kLiveness:
        if (!finding.success) instance->failed_probe = "liveness";
        break;
    }
    look();
  });
}

void PodWorker::hookEnded(const HookResult& result) {
  post([this, result] {
    for (auto& [name, container] : state_.record.containers) {
      InstanceRecord* instance = liveInstance(name, result.id);
      if (instance == nullptr) continue;
      const bool after_start = result.kind == HookKind::kPostStart;
      HookRecord& hook = after_start ? instance->post_start : instance->pre_stop;
      if (hook.phase != HookPhase::kBegun) return;
      const WallTime now = context_->deps.clock.wall();
      hook.phase = result.success ? HookPhase::kDone : HookPhase::kFailed;
      hook.message = result.message;
      actions_.save();  // an ended hook never runs again
      state_.step(fmt::format("{} hook of {}", hookName(result.kind), name), result.message, Duration{0},
                  now);
      // The message stays out of the event: it may hold what a command printed.
      if (!result.success) {
        LOG_WARN("pod {}: {}", full_name_, result.message);
        state_.event("Warning", after_start ? "FailedPostStartHook" : "FailedPreStopHook",
                     after_start ? "PostStartHook failed" : "PreStopHook failed", name, now);
      }
      return look();
    }
  });
}

void PodWorker::note(const std::string& container, const std::string& reason, const std::string& message) {
  post([this, container, reason, message] {
    state_.event("Warning", reason, message, container, context_->deps.clock.wall());
    look();
  });
}

void PodWorker::reattach() {
  post([this] {
    const bool ends = state_.record.deletion || state_.record.ending;
    if (ends || state_.releasing || state_.pod->spec.host_network) return;
    if (state_.observed.sandbox != runtime::SandboxPhase::kReady) return;
    LOG_WARN("pod {}: its network link is gone, it is attached again", full_name_);
    state_.record.attached_sandbox.reset();
    look();
  });
}

void PodWorker::wake() {
  if (wake_pending_.exchange(true)) return;
  post([this] {
    wake_pending_ = false;
    look();
  });
}

void PodWorker::close() { strand_.close(); }

bool PodWorker::holdsResources() const {
  const auto seen = published();
  const std::string& phase = seen->view->pod->status.phase;
  return phase != "Succeeded" && phase != "Failed";
}

// ---- the strand ----

void PodWorker::look() {
  if (context_->stopping || state_.gone || state_.releasing) {
    if (state_.gone) {
      publishReleased();
      if (const auto host = context_->host.copy()) host->podGone(uid_);
    }
    return;
  }
  takeNews();
  takeObjects(state_, *context_);
  for (int round = 0;; ++round) {
    const bool prepared = prepare();
    if (!prepared || !observe()) {
      // Once a look: it may have cured the runtime.
      if (prepared && round == 0 && endBlind()) continue;
      if (context_->stopping) return;
      if (state_.releasing) break;
      publish({}, observation());
      wakeAt(state_.pod_failure ? std::optional(state_.pod_failure->retry_at) : std::nullopt);
      break;
    }
    refreshVolumes(state_, *context_);
    const PodObservation seen = observation();
    const Plan plan =
        planPod(*state_.pod, seen, state_.record, context_->policy, context_->deps.clock.wall());
    publish(plan, seen);
    if (plan.actions.empty()) {
      wakeAt(plan.wake_at);
      break;
    }
    const bool well = act(plan);
    if (context_->stopping) return;
    if (state_.releasing) break;
    if (well && round < kMaxRounds) continue;
    // Look once more for what is shown and for the retry's time, and leave the acting to that retry.
    if (!observe()) break;
    const PodObservation after = observation();
    const WallTime now = context_->deps.clock.wall();
    const Plan next = planPod(*state_.pod, after, state_.record, context_->policy, now);
    publish(next, after);
    const WallTime retry = now + kRetry;
    wakeAt(next.actions.empty() ? next.wake_at : std::min(retry, next.wake_at.value_or(retry)));
    break;
  }
  actions_.save();
}

// Ends a pod that cannot be looked at, when it is time; true if that leaves something to look at.
bool PodWorker::endBlind() {
  const Plan plan = planBlindEnding(*state_.pod, state_.record, context_->deps.clock.wall());
  if (plan.actions.empty()) return false;
  return act(plan) && !context_->stopping && !state_.releasing;
}

void PodWorker::takeNews() {
  api::PodPtr pod = desired_.copy();
  if (pod != state_.pod) state_.pod = std::move(pod);
  // A clock that was set back must not put off an end that has begun.
  const WallTime now = context_->deps.clock.wall();
  if (state_.record.deletion) state_.record.deletion->at = std::min(state_.record.deletion->at, now);
  if (state_.record.ending) state_.record.ending->at = std::min(state_.record.ending->at, now);
  const bool admitted = state_.record.admission->admitted;
  if (auto verdict = verdict_.exchange(std::nullopt); verdict && admitted && !state_.record.ending) {
    state_.record.ending = std::move(*verdict);
    state_.record.ending->at = now;
    state_.pod_failure.reset();
    state_.step("ended: " + state_.record.ending->reason, "", Duration{0}, now);
    state_.event("Warning", state_.record.ending->reason, state_.record.ending->message, "", now);
  }
  // Somebody else may have declared an API pod to be over (a pod of a node that was lost for long).
  const api::PodStatus& told = state_.pod->status;
  if (source_ == kApiSource && admitted && !state_.record.ending && isOver(told)) {
    state_.record.ending = Ending{told.phase, told.reason, told.message, now};
  }
  const auto removal = removal_.copy();
  if (!removal) return;
  const bool sooner = taken_removal_ != removal;
  taken_removal_ = removal;
  if (!state_.record.deletion) {
    state_.record.deletion = Deletion{now, *removal};
    state_.pod_failure.reset();  // the end does not wait for a retry of the start
    state_.step("deletion", "", Duration{0}, state_.record.deletion->at);
  } else if (sooner) {
    // The new period counts from now, and can only bring the end nearer.
    Deletion& deletion = *state_.record.deletion;
    deletion.grace = std::min(deletion.grace, Duration(now + *removal - deletion.at));
  }
}

// The pod's folder; false with pod_failure set if that fails.
bool PodWorker::prepare() {
  if (state_.directory.valid()) return true;
  const WallTime now = context_->deps.clock.wall();
  if (state_.pod_failure && now < state_.pod_failure->retry_at) return false;
  const auto failed = [&](const Error& error) {
    const StepFailure* before = state_.pod_failure ? &*state_.pod_failure : nullptr;
    const std::string message = "error making pod data directories: " + error.text;
    state_.pod_failure = stepFailure(before, "Failed", message, now);
    state_.event("Warning", "Failed", message, "", now);
    return false;
  };
  actions_.setResume(resume());
  auto directory = PodDirectory::ensure(context_->options.root_dir, uid_);
  if (!directory) return failed(directory.error());
  state_.directory = std::move(*directory);
  state_.pod_failure.reset();
  const Admission& admission = *state_.record.admission;
  state_.step(admission.admitted ? "admitted" : "rejected " + admission.reason, admission.message,
              Duration{0}, now);
  return true;
}

bool PodWorker::observe() {
  Stop stop(kStatusDeadline);
  auto observed = context_->deps.runtime.status(uid_, stop);
  const WallTime now = context_->deps.clock.wall();
  if (!observed) {
    const StepFailure* before = state_.pod_failure ? &*state_.pod_failure : nullptr;
    const std::string message = "error determining status: " + observed.error().text;
    state_.pod_failure = stepFailure(before, "FailedSync", message, now);
    state_.event("Warning", "FailedSync", message, "", now);
    LOG_WARN("pod {}: {}", full_name_, message);
    return false;
  }
  observed_ = true;
  const bool recovered = state_.pod_failure && state_.pod_failure->reason == "FailedSync";
  if (recovered) state_.pod_failure.reset();
  state_.observed = std::move(*observed);
  if (state_.volumes_of != state_.observed.sandbox_attempt) state_.volumes = StepState::kNone;
  const PodRecord before = state_.record;
  state_.record =
      recordObserved(*state_.pod, state_.observed, terminationMessages(), std::move(state_.record), now);
  describeAdopted();
  noteEnds(before);
  return true;
}

std::map<ContainerId, std::string> PodWorker::terminationMessages() const {
  std::map<ContainerId, std::string> messages;
  const size_t containers =
      std::max<size_t>(1, state_.pod->spec.init_containers.size() + state_.pod->spec.containers.size());
  const size_t limit = std::min(kMaxTerminationMessage, kMaxPodTerminationMessages / containers);
  for (const auto& ended : newExits(state_.observed, state_.record)) {
    const api::Container* spec = state_.container(ended.name);
    const bool from_logs = spec != nullptr && spec->termination_message_policy == "FallbackToLogsOnError" &&
                           ended.exit_code != 0;
    const TerminationSources sources{
        state_.directory.fd(), PodDirectory::terminationFile(ended.name, ended.id),
        context_->logs.file(state_.owner(), ended.name, ended.attempt), from_logs};
    messages[ended.id] = cleanText(readTerminationMessage(sources), limit);
  }
  return messages;
}

// What an adopted instance was started with is found in the image store, as far as it is still there.
void PodWorker::describeAdopted() {
  for (auto& [name, container] : state_.record.containers) {
    if (!container.current || !container.current->image_id.empty() || container.current->image.empty())
      continue;
    const auto image = context_->deps.images_service.find(container.current->image);
    if (!image || *image == nullptr) continue;
    container.current->image_id = reportedImageId(**image);
    const api::Container* spec = state_.container(name);
    const bool has_own = spec != nullptr && spec->lifecycle;
    container.current->stop_signal =
        runtime::stopSignal(has_own ? spec->lifecycle->stop_signal : "", (*image)->config.stop_signal);
  }
}

void PodWorker::noteEnds(const PodRecord& before) {
  const WallTime now = context_->deps.clock.wall();
  for (const auto& [name, container] : state_.record.containers) {
    if (!container.current || !container.current->exit) continue;
    const auto known = before.containers.find(name);
    const bool noted = known != before.containers.end() && known->second.current &&
                       known->second.current->id == container.current->id && known->second.current->exit;
    if (noted) continue;
    const auto& exit = *container.current->exit;
    state_.step(fmt::format("exited {} {} {}", name, exit.exit_code, exit.reason), exit.message, Duration{0},
                now);
    LOG_INFO("pod {}: container {} exited: {} {}", full_name_, name, exit.exit_code, exit.reason);
  }
}

PodObservation PodWorker::observation() const {
  PodObservation seen;
  seen.runtime = state_.observed;
  if (!state_.record.deletion && !state_.record.ending) seen.images = observeImages(state_, *context_);
  seen.volumes = state_.volumes;
  for (const auto& [name, mounts] : state_.mounts) seen.mounts[name] = mounts.state;
  seen.pod_failure = state_.pod_failure;
  seen.start_failures = state_.start_failures;
  return seen;
}

bool PodWorker::act(const Plan& plan) {
  bool well = true;
  for (const auto& action : plan.actions) {
    if (context_->stopping) return well;
    const PodActions::Outcome outcome = actions_.run(action);
    well = well && outcome == PodActions::Outcome::kDone;
    if (outcome == PodActions::Outcome::kStopPlan) return false;
  }
  return well;
}

void PodWorker::publish(const Plan& plan, const PodObservation& seen) {
  const WallTime now = context_->deps.clock.wall();
  const api::PodStatus status =
      podStatus({*state_.pod, seen, state_.record, context_->host_ips, context_->policy.restart, now});
  state_.record.conditions = status.conditions;
  tellProber();
  tellHooks();
  const auto& ending = state_.record.ending;
  for (auto& event : statusEvents(*state_.pod, last_status_, status, now)) {
    // An eviction was told when it began.
    if (ending && ending->disruption && event.reason == ending->reason) continue;
    state_.add(std::move(event));
  }
  const std::string wait = fmt::format("{}", fmt::join(plan.waits, ", "));
  const bool terminating = state_.record.deletion.has_value();
  const bool same = published_once_ && status == last_status_ && wait == last_wait_ && !state_.news &&
                    terminating == was_terminating_ && published()->view->observed == observed_ &&
                    published()->view->pod->metadata.labels == state_.pod->metadata.labels &&
                    published()->view->pod->metadata.annotations == state_.pod->metadata.annotations &&
                    published()->view->pod->spec == state_.pod->spec;
  if (same) return;
  published_once_ = true;
  last_status_ = status;
  last_wait_ = wait;
  was_terminating_ = terminating;
  state_.news = false;
  actions_.save();  // a killed daemon must not find other transition times than it has told
  published_.exchange(build(status, wait));
  if (const auto host = context_->host.copy()) host->podChanged(uid_);
}

// Which instances run and have probes; only news are told.
void PodWorker::tellProber() {
  std::map<ContainerId, std::pair<api::PodPtr, bool>> now;
  std::vector<probes::Subject> subjects;
  const bool terminating = state_.record.deletion || state_.record.ending;
  for (const auto& [name, container] : state_.record.containers) {
    const api::Container* spec = state_.container(name);
    if (spec == nullptr || !(spec->startup_probe || spec->liveness_probe || spec->readiness_probe)) continue;
    if (!container.current || container.current->exit || !isRunning(state_.observed, container.current->id))
      continue;
    const InstanceRecord& instance = *container.current;
    if (awaitsPostStart(*spec, instance)) continue;
    const auto& addresses = state_.pod->spec.host_network ? context_->host_ips : state_.record.pod_ips;
    if (addresses.empty()) continue;
    now[instance.id] = {state_.pod, terminating};
    subjects.push_back({instance.id, state_.pod, name, addresses.front(), instance.started_at, terminating,
                        instance.started_at < context_->started_at, instance.ready, instance.started});
  }
  if (now == probed_) return;
  probed_ = std::move(now);
  if (const auto host = context_->host.copy()) host->setProbed(uid_, std::move(subjects));
}

// Which hooks are under way; only news are told.
void PodWorker::tellHooks() {
  std::set<std::pair<ContainerId, HookKind>> now;
  std::vector<HookOrder> orders;
  const auto& addresses = state_.pod->spec.host_network ? context_->host_ips : state_.record.pod_ips;
  for (const auto& [name, container] : state_.record.containers) {
    if (!container.current || !isRunning(state_.observed, container.current->id)) continue;
    const InstanceRecord& instance = *container.current;
    if (instance.exit || instance.kill_at) continue;
    const bool stops = instance.pre_stop.phase != HookPhase::kNone;
    const HookKind kind = stops ? HookKind::kPreStop : HookKind::kPostStart;
    const HookRecord& hook = stops ? instance.pre_stop : instance.post_start;
    if (hook.phase != HookPhase::kBegun) continue;
    now.insert({instance.id, kind});
    orders.push_back({instance.id, kind, state_.pod, name, addresses.empty() ? "" : addresses.front(),
                      hook.begun.value_or(instance.started_at), stops ? instance.stop_by : std::nullopt});
  }
  if (now == hooks_told_) return;
  hooks_told_ = std::move(now);
  if (const auto host = context_->host.copy()) host->setHooks(uid_, std::move(orders));
}

// The last word about a pod of which nothing is left.
void PodWorker::publishReleased() {
  if (published()->view->released) return;
  const WallTime now = context_->deps.clock.wall();
  state_.observed = {};
  state_.record = recordObserved(*state_.pod, {}, {}, std::move(state_.record), now);
  observed_ = true;
  const api::PodStatus status = podStatus(
      {*state_.pod, PodObservation{}, state_.record, context_->host_ips, context_->policy.restart, now});
  tellProber();
  tellHooks();
  published_.exchange(build(status, ""));
}

PublishedPodPtr PodWorker::build(const api::PodStatus& status, const std::string& wait) const {
  auto view = std::make_shared<PodView>();
  api::Pod pod = *state_.pod;
  pod.status = status;
  if (pod.status.phase.empty()) pod.status.phase = "Pending";
  if (const auto& deletion = state_.record.deletion) {
    const auto grace = std::chrono::duration_cast<std::chrono::seconds>(deletion->grace);
    if (!pod.metadata.deletion_timestamp) {
      pod.metadata.deletion_timestamp = deletion->at + grace;
      pod.metadata.deletion_grace_period_seconds = grace.count();
    }
  }
  view->pod = std::make_shared<const api::Pod>(std::move(pod));
  view->source = state_.source;
  view->terminating = state_.record.deletion.has_value();
  view->observed = observed_;
  view->released = state_.gone;
  view->current_wait = wait;
  view->timeline = state_.timeline.all();
  view->events = state_.events.all();
  auto published = std::make_shared<PublishedPod>();
  published->view = std::move(view);
  for (const auto& [name, container] : state_.record.containers) {
    auto& instances = published->containers[name];
    instances.current = publishedInstance(container.current);
    instances.previous = publishedInstance(container.previous);
  }
  return published;
}

void PodWorker::wakeAt(std::optional<WallTime> time) {
  if (!time) return;
  const Duration delay = std::max(Duration{0}, *time - context_->deps.clock.wall());
  if (const auto host = context_->host.copy()) host->wakeAfter(uid_, delay);
}

}  // namespace keelson::kubelet
