#include "kubelet/cluster/event_recorder.h"

#include <deque>
#include <map>

#include "api/codec.h"
#include "base/ids.h"
#include "base/log.h"
#include "kubelet/cluster/event_series.h"

namespace keelson::kubelet::cluster {
namespace {

using api::client::ApiRequest;

constexpr Duration kSeriesLife = std::chrono::minutes(10);  // an occurrence after that is a new event
constexpr Duration kSweep = std::chrono::minutes(1);
constexpr size_t kMaxSeries = 4096;   // remembered ones
constexpr size_t kMaxObjects = 4096;  // with a limit of their own
constexpr size_t kSuffixBytes = 8;

std::string eventsPath(const std::string& event_namespace) {
  return "/apis/events.k8s.io/v1/namespaces/" + event_namespace + "/events";
}

// Like events: one object of the API server.
struct Series {
  api::ObjectReference regarding;
  Event event;                        // the newest occurrence
  std::string event_namespace, name;  // once it is created
  int32_t count = 0;                  // occurrences so far
  int32_t told = 0;                   // of them known to the API server
  SteadyTime touched;
  bool queued = false;
  bool busy = false;
  api::client::Call call;
};

}  // namespace

struct EventRecorder::State : std::enable_shared_from_this<State> {
  State(Loop& on, Clock& with, api::client::ApiClient& by, std::string node, Settings given)
      : loop(on),
        clock(with),
        client(by),
        node_name(std::move(node)),
        settings(given),
        limit(given.burst, given.queries_per_second <= 0
                               ? Duration{1}
                               : std::chrono::duration_cast<Duration>(
                                     std::chrono::duration<double>(1 / given.queries_per_second))) {}

  Loop& loop;
  Clock& clock;
  api::client::ApiClient& client;
  const std::string node_name;
  const Settings settings;
  TokenBucket limit;
  std::map<std::string, Series> series;
  struct Object {
    TokenBucket bucket;
    SteadyTime touched;
  };
  std::map<std::string, Object> objects;
  std::deque<std::string> queue;  // keys of series
  size_t in_flight = 0;
  Registration sweep, pause;
  Backoff backoff;
  Stats stats;
  bool closed = false;

  void record(const api::ObjectReference& regarding, const Event& event) {
    if (closed) return;
    const SteadyTime now = clock.steady();
    if (!sweep.active()) {
      sweep = loop.every(kSweep, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->forgetOld();
      });
    }
    if (!mayTell(regarding, now)) {
      ++stats.limited;
      return;
    }
    const std::string key = seriesKey(regarding, event);
    const auto known = series.find(key);
    if (known != series.end() && now - known->second.touched > kSeriesLife && !known->second.busy &&
        !known->second.queued) {
      series.erase(known);
    }
    if (series.size() >= kMaxSeries && !series.count(key)) forgetOldest();
    Series& one = series[key];
    one.regarding = regarding;
    one.event = event;
    one.touched = now;
    ++one.count;
    enqueue(key, one);
    pump();
  }

  bool mayTell(const api::ObjectReference& regarding, SteadyTime now) {
    const std::string key =
        regarding.kind + "\n" + regarding.namespace_ + "\n" + regarding.name + "\n" + regarding.uid;
    if (objects.size() >= kMaxObjects && !objects.count(key)) objects.erase(objects.begin());
    auto& object =
        objects.try_emplace(key, Object{TokenBucket(settings.object_burst, settings.object_refill), now})
            .first->second;
    object.touched = now;
    return object.bucket.take(now);
  }

  void enqueue(const std::string& key, Series& one) {
    if (one.queued || one.busy) return;
    while (queue.size() >= settings.queue) {
      drop(queue.front());
      queue.pop_front();
    }
    one.queued = true;
    queue.push_back(key);
  }

  void drop(const std::string& key) {
    const auto found = series.find(key);
    if (found == series.end()) return;
    stats.dropped += static_cast<uint64_t>(found->second.count - found->second.told);
    series.erase(found);
  }

  void pump() {
    while (!pause.active() && in_flight < settings.in_flight && !queue.empty()) {
      const SteadyTime now = clock.steady();
      if (settings.queries_per_second > 0 && !limit.take(now)) return pauseFor(limit.wait(now));
      const std::string key = std::move(queue.front());
      queue.pop_front();
      if (const auto found = series.find(key); found != series.end()) {
        found->second.queued = false;
        send(key, found->second);
      }
    }
  }

  void pauseFor(Duration wait) {
    pause = loop.after(wait, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      self->pause.reset();
      self->pump();
    });
  }

  ApiRequest request(Series& one) const {
    ApiRequest made;
    made.request_class = ApiRequest::Class::kPaced;  // by eventRecordQPS
    if (one.name.empty()) {
      const api::Event event = makeApiEvent(one.regarding, one.event, node_name, randomHex(kSuffixBytes));
      made.method = "POST";
      made.path = eventsPath(event.metadata.namespace_);
      made.body = api::encode(event);
    } else {
      made.method = "PATCH";
      made.path = eventsPath(one.event_namespace) + "/" + one.name;
      made.body = seriesPatch(one.count, one.event.last_seen);
      made.content_type = api::client::kStrategicMergePatch;
    }
    return made;
  }

  void send(const std::string& key, Series& one) {
    // A series begins with its second occurrence: what came before the first answer is one event so far.
    const int32_t telling = one.name.empty() ? 1 : one.count;
    ApiRequest made = request(one);
    std::string name, space;
    if (one.name.empty()) {
      const json::object& metadata = made.body.at("metadata").as_object();
      name = json::value_to<std::string>(metadata.at("name"));
      space = json::value_to<std::string>(metadata.at("namespace"));
    }
    one.busy = true;
    ++in_flight;
    one.call = client.send(std::move(made),
                           [weak = weak_from_this(), key, telling, name, space](Result<json::value> answer) {
                             if (const auto self = weak.lock())
                               self->answered(key, telling, name, space, answer);
                           });
  }

  void answered(const std::string& key, int32_t telling, const std::string& name, const std::string& space,
                const Result<json::value>& answer) {
    const auto found = series.find(key);
    if (found == series.end()) return;
    Series& one = found->second;
    const api::client::Call ended = std::move(one.call);  // until this callback is over
    one.busy = false;
    --in_flight;
    if (answer) {
      accepted(key, one, telling, name, space);
    } else {
      failed(key, one, answer.error());
    }
    pump();
  }

  void accepted(const std::string& key, Series& one, int32_t telling, const std::string& name,
                const std::string& space) {
    ++stats.sent;
    stats.last_error.clear();
    backoff = {};
    if (!name.empty()) {
      one.name = name;
      one.event_namespace = space;
    }
    one.told = telling;
    if (one.count > one.told) enqueue(key, one);
  }

  void failed(const std::string& key, Series& one, const Error& error) {
    const bool was_created = !one.name.empty();
    if (error.code == Code::kUnavailable || error.code == Code::kDeadlineExceeded ||
        error.code == Code::kResourceExhausted || error.code == Code::kInternal ||
        error.code == Code::kAlreadyExists) {
      // Nobody gets through now: all wait, the oldest of them first.
      if (stats.last_error != error.text) LOG_WARN("events: {}", error.text);
      stats.last_error = error.text;
      backoff = backoff.next(settings.retry, clock.wall());
      one.queued = true;
      queue.push_front(key);
      return pauseFor(jittered(backoff.delay));
    }
    if (was_created && error.code == Code::kNotFound) {
      // It has expired: the next one is told anew.
      one.name.clear();
      one.count -= one.told;
      one.told = 0;
      return enqueue(key, one);
    }
    // 403 and 404 of a namespace that ends, 422 of what it will never accept.
    stats.refused += static_cast<uint64_t>(one.count - one.told);
    LOG_DEBUG("event {} of {}: {}", one.event.reason, one.regarding.name, error.text);
    series.erase(key);
  }

  void forgetOld() {
    const SteadyTime now = clock.steady();
    std::erase_if(series, [&](const auto& one) {
      return !one.second.busy && !one.second.queued && now - one.second.touched > kSeriesLife;
    });
    const Duration full = settings.object_refill * static_cast<int64_t>(settings.object_burst);
    std::erase_if(objects, [&](const auto& one) { return now - one.second.touched > full; });
  }

  void forgetOldest() {
    auto oldest = series.end();
    for (auto one = series.begin(); one != series.end(); ++one) {
      if (one->second.busy || one->second.queued) continue;
      if (oldest == series.end() || one->second.touched < oldest->second.touched) oldest = one;
    }
    if (oldest != series.end()) series.erase(oldest);
  }
};

EventRecorder::EventRecorder(Loop& loop, Clock& clock, api::client::ApiClient& client, std::string node_name,
                             Settings settings)
    : state_(std::make_shared<State>(loop, clock, client, std::move(node_name), settings)) {}

EventRecorder::~EventRecorder() { stop(); }

void EventRecorder::record(const api::ObjectReference& regarding, const Event& event) {
  state_->record(regarding, event);
}

void EventRecorder::stop() {
  state_->closed = true;
  state_->series.clear();
  state_->queue.clear();
  state_->sweep.reset();
  state_->pause.reset();
}

EventRecorder::Stats EventRecorder::stats() const {
  Stats stats = state_->stats;
  stats.waiting = state_->queue.size();
  return stats;
}

}  // namespace keelson::kubelet::cluster
