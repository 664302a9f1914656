#include "proxy/proxy.h"

#include <algorithm>
#include <deque>

#include "base/guarded.h"
#include "kernel/nft.h"
#include "proxy/udp_flows.h"

namespace keelson::proxy {
namespace {

constexpr size_t kOwnGenerations = 256;  // remembered to tell our commits from others'
// When the control plane saw the change of a pod that led to this slice.
constexpr char kTriggerTime[] = "endpoints.kubernetes.io/last-change-trigger-time";

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

std::vector<WallTime> triggersOf(const std::map<std::string, SlicePtr>& slices) {
  std::vector<WallTime> times;
  for (const auto& [name, slice] : slices) {
    if (!slice) continue;
    const auto& notes = slice->metadata.annotations;
    const auto found = notes.find(kTriggerTime);
    if (found == notes.end()) continue;
    if (const auto time = parseTime(found->second)) times.push_back(*time);
  }
  return times;
}

// What one turn on the strand made.
struct Outcome {
  Result<SyncReport> report = SyncReport{};
  Duration took{0}, flows_took{0};
  size_t services = 0, slices = 0, doors = 0, withheld_inside = 0, withheld_outside = 0, flows = 0;
  HealthPorts health;
  std::vector<std::string> problems;
  std::vector<WallTime> triggers;
};

}  // namespace

struct Proxy::State : std::enable_shared_from_this<Proxy::State> {
  State(Loop& loop_given, Lane& lane, Clock& clock_given, ProxySettings given,
        std::unique_ptr<DataPlane> plane_given)
      : loop(loop_given),
        clock(clock_given),
        settings(std::move(given)),
        strand(lane, "proxy"),
        plane(std::move(plane_given)) {}

  // ---- loop ----

  void changed() {
    stats.queued = clock.wall();
    if (!waiting) waiting = stats.queued;
    if (!have_services || !have_slices || closed) return show();
    dirty = true;
    show();
    if (!running && !timer.active()) run();
  }

  void show() {
    stats.waiting = waiting ? waiting : in_work;
    stats.services_pending = pending.services.size() + (pending.all_services ? 1 : 0);
    stats.slices_pending = pending.slices.size() + (pending.all_slices ? 1 : 0);
    shown.exchange(stats);
  }

  void run() {
    timer.reset();
    dirty = false;
    running = true;
    if (!in_work) in_work = std::exchange(waiting, {});
    strand.post([self = shared_from_this(), changes = std::exchange(pending, {}),
                 look_again = std::exchange(touched, false)]() mutable {
      self->work(std::move(changes), look_again);
    });
  }

  void done(Outcome outcome) {
    running = false;
    if (closed) return;
    ++stats.syncs;
    stats.last_sync = outcome.took;
    stats.services = outcome.services;
    stats.slices = outcome.slices;
    stats.doors = outcome.doors;
    stats.no_local_internal = outcome.withheld_inside;
    stats.no_local_external = outcome.withheld_outside;
    stats.forgotten_flows += outcome.flows;
    stats.problems = std::move(outcome.problems);
    stats.health = std::move(outcome.health);
    stats.sync_seconds.observe(seconds(outcome.took));
    if (outcome.flows_took > Duration{0}) stats.flow_seconds.observe(seconds(outcome.flows_took));
    if (outcome.report) {
      succeeded(*outcome.report, outcome);
    } else {
      ++stats.failures;
      stats.last_error = outcome.report.error().text;
      dirty = true;
      backoff = backoff.next(settings.retry, clock.wall());
    }
    // Foreign or our own? Known only now.
    for (const uint32_t generation : std::exchange(unsorted, {}))
      if (std::find(own.begin(), own.end(), generation) == own.end()) touched = dirty = true;
    show();
    timer = loop.after(outcome.report ? settings.min_sync_period : backoff.delay, [this] {
      timer.reset();
      if (dirty && !running) run();
    });
    if (listener) listener(stats);
  }

  void succeeded(const SyncReport& report, const Outcome& outcome) {
    stats.last_error.clear();
    backoff = {};
    in_work.reset();
    stats.updated = clock.wall();
    stats.last_rules_written = report.rules;
    stats.rules_written += report.rules;
    (report.full ? stats.full_sync_seconds : stats.partial_sync_seconds).observe(seconds(outcome.took));
    if (report.full) {
      ++stats.full_syncs;
      compared = clock.steady();
    }
    for (const WallTime time : outcome.triggers)
      stats.programming_seconds.observe(std::max(0.0, seconds(*stats.updated - time)));
    for (const uint32_t generation : report.generations) {
      own.push_back(generation);
      if (own.size() > kOwnGenerations) own.pop_front();
    }
  }

  void onRulesetChanged() {
    const auto changes = watch->drain();
    if (changes.lost) touched = true;
    if (running) {
      unsorted.insert(unsorted.end(), changes.generations.begin(), changes.generations.end());
    } else {
      for (const uint32_t generation : changes.generations)
        if (std::find(own.begin(), own.end(), generation) == own.end()) touched = true;
    }
    if (touched) changed();
  }

  // Without a change to make there is no sync that would find the rules gone.
  void check() {
    if (running || !have_services || !have_slices) return;
    if (clock.steady() - compared >= settings.full_sync_period) {
      touched = true;
      return changed();
    }
    strand.post([self = shared_from_this()] {
      Stop limit = self->stopping.within(self->settings.sync_time);
      const auto intact = self->plane->intact(limit);
      if (intact && *intact) return;
      self->loop.post([self] {
        self->touched = true;
        self->changed();
      });
    });
  }

  // ---- strand ----

  void work(ObjectChanges objects, bool look_again) {
    const SteadyTime begin = clock.steady();
    if (look_again) plane->distrust();
    Outcome outcome;
    outcome.triggers = triggersOf(objects.slices);
    const auto changes = map.apply(std::move(objects));
    for (const auto& [key, door] : doorsWithStaleFlows(changes)) unclean[key] = door;
    Stop limit = stopping.within(settings.sync_time);
    outcome.report = plane->sync(map.doors(), changes, limit);
    if (!outcome.report) behind = true;
    if (outcome.report) {
      publish(changes);
      if (const auto cleaned = forget(outcome, limit); !cleaned) outcome.report = cleaned.error();
    }
    outcome.services = map.services();
    outcome.slices = map.slices();
    outcome.doors = map.doors().size();
    outcome.withheld_inside = map.withheld(false);
    outcome.withheld_outside = map.withheld(true);
    outcome.health = map.health();
    outcome.problems = map.problems();
    outcome.took = clock.steady() - begin;
    auto shared = std::make_shared<Outcome>(std::move(outcome));
    loop.post([self = shared_from_this(), shared] { self->done(std::move(*shared)); });
  }

  // A failed sync leaves what was programmed behind: then all of it is taken over.
  void publish(const std::vector<DoorChange>& changes) {
    programmed.with([&](Doors& doors) {
      if (std::exchange(behind, false)) {
        doors = map.doors();
        return;
      }
      for (const auto& change : changes) {
        if (change.after)
          doors[change.key] = change.after;
        else
          doors.erase(change.key);
      }
    });
  }

  // Of an earlier life nothing is known: the first time every UDP door is looked through (each is new then).
  Result<void> forget(Outcome& outcome, Stop& limit) {
    if (unclean.empty()) return {};
    const SteadyTime begin = clock.steady();
    for (auto& [key, door] : unclean) {
      const auto now = map.doors().find(key);
      door = now == map.doors().end() ? nullptr : now->second;
    }
    outcome.flows = TRY(forgetStaleFlows(unclean, limit));
    unclean.clear();
    outcome.flows_took = clock.steady() - begin;
    return {};
  }

  Loop& loop;
  Clock& clock;
  const ProxySettings settings;
  Strand strand;
  Stop stopping;
  Guarded<Doors> programmed;
  Guarded<ProxyStats> shown;

  // Strand:
  std::unique_ptr<DataPlane> plane;
  DoorMap map;
  std::map<DoorKey, DoorPtr> unclean;  // UDP flows through them are to be looked at
  bool behind = true;

  // Loop:
  ObjectChanges pending;
  NodeFacts node;  // as given last
  bool have_services = false, have_slices = false;
  bool dirty = false, running = false, touched = false, closed = false;
  std::optional<WallTime> waiting, in_work;  // since when: not yet taken; taken, not yet done
  SteadyTime compared;
  Backoff backoff;
  Registration timer, watching, checking;
  std::optional<kernel::nft::NftWatch> watch;
  std::deque<uint32_t> own;
  std::vector<uint32_t> unsorted;  // heard while a sync was under way
  ProxyStats stats;
  std::function<void(const ProxyStats&)> listener;
};

Proxy::Proxy(Loop& loop, Lane& lane, Clock& clock, ProxySettings settings, std::unique_ptr<DataPlane> plane)
    : state_(std::make_shared<State>(loop, lane, clock, std::move(settings), std::move(plane))) {}
Proxy::~Proxy() { stop(); }

Result<void> Proxy::start() {
  State* state = state_.get();
  if (state->settings.watch_nftables) {
    state->watch = TRY(kernel::nft::NftWatch::open());
    state->watching = state->loop.onReadable(state->watch->fd(), [state] { state->onRulesetChanged(); });
  }
  state->checking = state->loop.every(state->settings.check_period, [state] { state->check(); });
  return {};
}

void Proxy::stop() {
  state_->closed = true;
  state_->stopping.cancel();
  state_->timer.reset();
  state_->watching.reset();
  state_->checking.reset();
  state_->strand.close();
}

void Proxy::setServices(std::vector<ServicePtr> services) {
  state_->stats.service_changes += state_->have_services ? 1 : services.size();
  state_->have_services = true;
  state_->pending.services.clear();
  state_->pending.all_services = std::move(services);
  state_->changed();
}

void Proxy::setSlices(std::vector<SlicePtr> slices) {
  state_->stats.slice_changes += state_->have_slices ? 1 : slices.size();
  state_->have_slices = true;
  state_->pending.slices.clear();
  state_->pending.all_slices = std::move(slices);
  state_->changed();
}

void Proxy::setService(const std::string& name, ServicePtr service) {
  ++state_->stats.service_changes;
  state_->pending.services[name] = std::move(service);
  state_->changed();
}

void Proxy::setSlice(const std::string& name, SlicePtr slice) {
  ++state_->stats.slice_changes;
  state_->pending.slices[name] = std::move(slice);
  state_->changed();
}

void Proxy::setNode(NodeFacts node) {
  if (node == state_->node) return;
  state_->node = node;
  state_->pending.node = std::move(node);
  state_->changed();
}

std::shared_ptr<const Doors> Proxy::doors() const {
  return std::make_shared<const Doors>(state_->programmed.copy());
}
ProxyStats Proxy::stats() const { return state_->shown.copy(); }
void Proxy::onSynced(std::function<void(const ProxyStats&)> listener) {
  state_->listener = std::move(listener);
}

}  // namespace keelson::proxy
