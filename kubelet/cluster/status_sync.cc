#include "kubelet/cluster/status_sync.h"

#include <charconv>
#include <deque>
#include <map>

#include "api/codec.h"
#include "base/log.h"
#include "kubelet/cluster/pod_requests.h"
#include "kubelet/cluster/status_patch.h"

namespace keelson::kubelet::cluster {
namespace {

using api::client::ApiRequest;

std::optional<uint64_t> number(const std::string& text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Whether `a` is of an earlier time than `b`. resourceVersions are decimal and grow; others are unordered.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
bool isOlder(const api::Pod& a, const api::Pod& b) {
  const auto first = number(a.metadata.resource_version), second = number(b.metadata.resource_version);
  return first && second && *first < *second;
}

// One pod of the API server.
struct Entry {
  api::PodPtr api;
  api::client::Call call;
  Registration retry;
  Backoff backoff;
  bool busy = false;     // `call` is under way
  bool queued = false;   // waits for its turn
  bool refused = false;  // the API server has another pod or none: until it tells more
  bool removed = false;  // the last request of its life has succeeded
  std::string told;      // the last error that was logged
};

}  // namespace

struct StatusSync::State : std::enable_shared_from_this<State> {
  State(Loop& on, Clock& with, api::client::ApiClient& by, ViewOf view, Settings given)
      : loop(on), clock(with), client(by), view_of(std::move(view)), settings(given) {}

  Loop& loop;
  Clock& clock;
  api::client::ApiClient& client;
  const ViewOf view_of;
  const Settings settings;
  std::map<std::string, Entry> entries;    // by uid in the API server
  std::map<PodUid, std::string> by_local;  // the kubelet's uid -> that one
  std::deque<std::string> queue;           // uids; each once
  size_t in_flight = 0;
  Stats stats;

  void known(const api::PodPtr& pod) {
    const std::string& uid = pod->metadata.uid;
    by_local[localUid(*pod)] = uid;
    Entry& entry = entries[uid];
    if (entry.api && isOlder(*pod, *entry.api)) return;
    entry.api = pod;
    entry.refused = false;
    wake(uid);
  }

  void forget(const api::Pod& pod) {
    const auto found = entries.find(pod.metadata.uid);
    if (found == entries.end()) return;
    if (found->second.busy) --in_flight;
    entries.erase(found);
    const auto local = by_local.find(localUid(pod));
    if (local != by_local.end() && local->second == pod.metadata.uid) by_local.erase(local);
  }

  // Looks at the pod as soon as there is room, unless it waits for an answer or a retry.
  void wake(const std::string& uid) {
    const auto found = entries.find(uid);
    if (found == entries.end()) return;
    Entry& entry = found->second;
    const bool held = entry.busy || entry.queued || entry.refused || entry.removed || entry.retry.active();
    if (held) return;
    entry.queued = true;
    queue.push_back(uid);
    pump();
  }

  void pump() {
    while (in_flight < settings.in_flight && !queue.empty()) {
      const std::string uid = std::move(queue.front());
      queue.pop_front();
      const auto found = entries.find(uid);
      if (found == entries.end()) continue;
      found->second.queued = false;
      if (auto request = next(found->second)) send(uid, found->second, std::move(*request));
    }
  }

  std::optional<ApiRequest> next(const Entry& entry) const {
    const api::Pod& pod = *entry.api;
    const auto view = view_of(localUid(pod));
    if (!view || !view->observed) return std::nullopt;
    const bool deleted = pod.metadata.deletion_timestamp.has_value();
    if (isMirror(pod) && deleted) return std::nullopt;  // another one takes its place
    if (auto patch = statusPatch(pod, view->pod->status)) return patchStatusRequest(pod, std::move(*patch));
    if (view->released && deleted && !isMirror(pod)) return deletePodRequest(pod.metadata);
    return std::nullopt;
  }

  void send(const std::string& uid, Entry& entry, ApiRequest request) {
    request.request_class = ApiRequest::Class::kPaced;  // `in_flight` bounds them
    const bool removal = request.method == "DELETE";
    entry.busy = true;
    ++in_flight;
    entry.call =
        client.send(std::move(request), [weak = weak_from_this(), uid, removal](Result<json::value> answer) {
          const auto self = weak.lock();
          if (self) self->answered(uid, removal, std::move(answer));
        });
  }

  void answered(const std::string& uid, bool removal, Result<json::value> answer) {
    const auto found = entries.find(uid);
    if (found == entries.end()) return;
    Entry& entry = found->second;
    const api::client::Call ended = std::move(entry.call);  // until this callback is over
    entry.busy = false;
    --in_flight;
    if (answer) {
      ++(removal ? stats.removals : stats.patches);
      entry.backoff = {};
      entry.told.clear();
      stats.last_error.clear();
      entry.removed = removal;
      if (!removal) take(entry, *answer);
      wake(uid);
    } else {
      failed(uid, entry, answer.error());
    }
    pump();
  }

  // The pod as it is after our patch: its event may come much later.
  void take(Entry& entry, const json::value& answer) {
    auto decoded = api::decode<api::Pod>(answer);
    if (!decoded || decoded->value.metadata.uid != entry.api->metadata.uid) return;
    auto pod = std::make_shared<const api::Pod>(std::move(decoded->value));
    if (!isOlder(*pod, *entry.api)) entry.api = std::move(pod);
  }

  void failed(const std::string& uid, Entry& entry, const Error& error) {
    // Gone, or another pod of its name (the uid is a precondition): the watch tells what there is.
    if (error.code == Code::kNotFound || error.code == Code::kFailedPrecondition) {
      entry.refused = true;
      LOG_DEBUG("pod {}: {}", api::podFullName(*entry.api), error.text);
      return;
    }
    ++stats.failures;
    stats.last_error = error.text;
    if (entry.told != error.text) LOG_WARN("pod {}: {}", api::podFullName(*entry.api), error.text);
    entry.told = error.text;
    entry.backoff = entry.backoff.next(settings.retry, clock.wall());
    entry.retry = loop.after(jittered(entry.backoff.delay), [weak = weak_from_this(), uid] {
      const auto self = weak.lock();
      if (!self) return;
      const auto again = self->entries.find(uid);
      if (again == self->entries.end()) return;
      again->second.retry.reset();
      self->wake(uid);
    });
  }
};

StatusSync::StatusSync(Loop& loop, Clock& clock, api::client::ApiClient& client, ViewOf view_of,
                       Settings settings)
    : state_(std::make_shared<State>(loop, clock, client, std::move(view_of), settings)) {}

StatusSync::~StatusSync() { stop(); }

void StatusSync::apiChanged(const std::vector<api::client::Change<api::Pod>>& changes) {
  for (const auto& change : changes) {
    const bool replaced = change.was && change.now && change.was->metadata.uid != change.now->metadata.uid;
    if (change.was && (!change.now || replaced)) state_->forget(*change.was);
    if (change.now) state_->known(change.now);
  }
  state_->pump();
}

void StatusSync::podChanged(const PodUid& uid) {
  const auto found = state_->by_local.find(uid);
  if (found != state_->by_local.end()) state_->wake(std::string(found->second));
}

void StatusSync::stop() {
  state_->entries.clear();
  state_->by_local.clear();
  state_->queue.clear();
  state_->in_flight = 0;
}

StatusSync::Stats StatusSync::stats() const {
  Stats stats = state_->stats;
  stats.waiting = state_->queue.size();
  stats.in_flight = state_->in_flight;
  return stats;
}

}  // namespace keelson::kubelet::cluster
