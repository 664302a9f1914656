#include "proxy/proxy.h"

#include <algorithm>
#include <deque>

namespace keelson::proxy {
namespace {

constexpr size_t kOwnGenerations = 256;  // remembered to tell our commits from others'

}  // namespace

struct Proxy::State : std::enable_shared_from_this<Proxy::State> {
  State(Loop& loop_given, Lane& lane, Clock& clock_given, ProxySettings given)
      : loop(loop_given),
        clock(clock_given),
        settings(std::move(given)),
        strand(lane, "proxy"),
        backend(settings.nft, settings.families) {}

  // ---- loop ----

  void changed() {
    if (!services || !slices || closed) return;
    dirty = true;
    if (!running && !timer.active()) run();
  }

  void run() {
    timer.reset();
    dirty = false;
    running = true;
    strand.post([self = shared_from_this(), wanted_services = *services, wanted_slices = *slices,
                 facts = node, look_again = std::exchange(touched, false)] {
      self->work(wanted_services, wanted_slices, facts, look_again);
    });
  }

  void done(Result<SyncReport> result, Duration took, Resolved resolved) {
    running = false;
    if (closed) return;
    ++stats.syncs;
    stats.last_sync = took;
    stats.services = services->size();
    stats.slices = slices->size();
    stats.problems = std::move(resolved.problems);
    if (result) {
      stats.last_error.clear();
      backoff = {};
      stats.doors = resolved.doors.size();
      programmed.exchange(std::make_shared<const Doors>(std::move(resolved.doors)));
      for (const uint32_t generation : result->generations) {
        own.push_back(generation);
        if (own.size() > kOwnGenerations) own.pop_front();
      }
    } else {
      ++stats.failures;
      stats.last_error = result.error().text;
      dirty = true;
      backoff = backoff.next(settings.retry, clock.wall());
    }
    shown.exchange(stats);
    // Foreign or our own? Known only now.
    for (const uint32_t generation : std::exchange(unsorted, {}))
      if (std::find(own.begin(), own.end(), generation) == own.end()) touched = dirty = true;
    timer = loop.after(result ? settings.min_sync_period : backoff.delay, [this] {
      timer.reset();
      if (dirty && !running) run();
    });
    if (listener) listener(stats);
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

  // ---- strand ----

  void work(const std::vector<ServicePtr>& wanted_services, const std::vector<SlicePtr>& wanted_slices,
            const NodeFacts& facts, bool look_again) {
    const SteadyTime begin = clock.steady();
    if (look_again) backend.distrust();
    auto resolved = std::make_shared<Resolved>(resolveDoors(wanted_services, wanted_slices, facts));
    Stop limit = stopping.within(settings.sync_time);
    auto result = std::make_shared<Result<SyncReport>>(backend.sync(resolved->doors, limit));
    loop.post([self = shared_from_this(), resolved, result, took = clock.steady() - begin] {
      self->done(std::move(*result), took, std::move(*resolved));
    });
  }

  Loop& loop;
  Clock& clock;
  const ProxySettings settings;
  Strand strand;
  Stop stopping;
  Guarded<std::shared_ptr<const Doors>> programmed{std::make_shared<const Doors>()};
  Guarded<ProxyStats> shown;

  // Strand:
  NftBackend backend;

  // Loop:
  std::optional<std::vector<ServicePtr>> services;
  std::optional<std::vector<SlicePtr>> slices;
  NodeFacts node;
  bool dirty = false, running = false, touched = false, closed = false;
  Backoff backoff;
  Registration timer, watching;
  std::optional<kernel::nft::NftWatch> watch;
  std::deque<uint32_t> own;
  std::vector<uint32_t> unsorted;  // heard while a sync was under way
  ProxyStats stats;
  std::function<void(const ProxyStats&)> listener;
};

Proxy::Proxy(Loop& loop, Lane& lane, Clock& clock, ProxySettings settings)
    : state_(std::make_shared<State>(loop, lane, clock, std::move(settings))) {}
Proxy::~Proxy() { stop(); }

Result<void> Proxy::start() {
  state_->watch = TRY(kernel::nft::NftWatch::open());
  state_->watching =
      state_->loop.onReadable(state_->watch->fd(), [state = state_.get()] { state->onRulesetChanged(); });
  return {};
}

void Proxy::stop() {
  state_->closed = true;
  state_->stopping.cancel();
  state_->timer.reset();
  state_->watching.reset();
  state_->strand.close();
}

void Proxy::setServices(std::vector<ServicePtr> services) {
  state_->services = std::move(services);
  state_->changed();
}
void Proxy::setSlices(std::vector<SlicePtr> slices) {
  state_->slices = std::move(slices);
  state_->changed();
}
void Proxy::setNode(NodeFacts node) {
  if (node == state_->node) return;
  state_->node = std::move(node);
  state_->changed();
}

std::shared_ptr<const Doors> Proxy::doors() const { return state_->programmed.copy(); }
ProxyStats Proxy::stats() const { return state_->shown.copy(); }
void Proxy::onSynced(std::function<void(const ProxyStats&)> listener) {
  state_->listener = std::move(listener);
}

}  // namespace keelson::proxy
