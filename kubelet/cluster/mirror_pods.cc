#include "kubelet/cluster/mirror_pods.h"

#include <map>

#include "base/log.h"
#include "kubelet/cluster/pod_requests.h"

namespace keelson::kubelet::cluster {
namespace {

// A change whose event never came (a watch that was lost meanwhile lists anew within this time).
constexpr Duration kEventDeadline = std::chrono::minutes(1);

// One name of the API server: what is being done to it.
struct Slot {
  api::client::Call call;
  Registration timer;  // a retry, or the wait for the event of what succeeded
  Backoff backoff;
  std::string waits_for;  // uid of the object when a request succeeded; "" if there was none
  bool busy = false;
  bool waits = false;
  std::string told;
};

}  // namespace

struct MirrorPods::State : std::enable_shared_from_this<State> {
  State(Loop& on, Clock& with, api::client::ApiClient& by, std::string node_name, BackoffPolicy policy)
      : loop(on), clock(with), client(by), retry(policy) {
    node.name = std::move(node_name);
  }

  Loop& loop;
  Clock& clock;
  api::client::ApiClient& client;
  const BackoffPolicy retry;
  NodeIdentity node;
  std::vector<std::shared_ptr<const PodView>> pods;
  std::vector<api::PodPtr> api_pods;
  std::map<std::string, Slot> slots;  // by namespace/name
  bool known = false;                 // update() has been called

  void work() {
    if (!known) return;
    noteEvents();
    const MirrorPlan plan = planMirrors(pods, api_pods, node);
    for (const auto& metadata : plan.remove) {
      send(metadata.namespace_ + "/" + metadata.name, metadata.uid, deletePodRequest(metadata));
    }
    for (const auto& pod : plan.create) send(api::podFullName(pod), "", createPodRequest(pod));
  }

  // What succeeded is over once the API server shows another object, or none, in the place.
  void noteEvents() {
    std::map<std::string, std::string> present;
    for (const auto& pod : api_pods) present[api::podFullName(*pod)] = pod->metadata.uid;
    for (auto slot = slots.begin(); slot != slots.end();) {
      const auto found = present.find(slot->first);
      const std::string uid = found == present.end() ? "" : found->second;
      const bool over = slot->second.waits && uid != slot->second.waits_for;
      slot = over ? slots.erase(slot) : std::next(slot);
    }
  }

  void send(const std::string& name, const std::string& uid, api::client::ApiRequest request) {
    Slot& slot = slots[name];
    if (slot.busy || slot.waits || slot.timer.active()) return;
    slot.busy = true;
    slot.call =
        client.send(std::move(request), [weak = weak_from_this(), name, uid](Result<json::value> answer) {
          if (const auto self = weak.lock()) self->answered(name, uid, answer);
        });
  }

  void answered(const std::string& name, const std::string& uid, const Result<json::value>& answer) {
    const auto found = slots.find(name);
    if (found == slots.end()) return;
    Slot& slot = found->second;
    const api::client::Call ended = std::move(slot.call);  // until this callback is over
    slot.busy = false;
    Duration wait = kEventDeadline;
    if (answer || (answer.error().code == Code::kNotFound && !uid.empty())) {
      slot.waits = true;
      slot.waits_for = uid;
      slot.backoff = {};
    } else {
      if (slot.told != answer.error().text) LOG_WARN("mirror pod {}: {}", name, answer.error().text);
      slot.told = answer.error().text;
      slot.backoff = slot.backoff.next(retry, clock.wall());
      wait = jittered(slot.backoff.delay);
    }
    slot.timer = loop.after(wait, [weak = weak_from_this(), name] {
      const auto self = weak.lock();
      if (!self) return;
      if (const auto again = self->slots.find(name); again != self->slots.end()) {
        again->second.waits = false;
        again->second.timer.reset();
      }
      self->work();
    });
    work();  // its event may be here already
  }
};

MirrorPods::MirrorPods(Loop& loop, Clock& clock, api::client::ApiClient& client, std::string node_name,
                       BackoffPolicy retry)
    : state_(std::make_shared<State>(loop, clock, client, std::move(node_name), retry)) {}

MirrorPods::~MirrorPods() { stop(); }

void MirrorPods::setNodeUid(std::string uid) {
  if (state_->node.uid == uid) return;
  state_->node.uid = std::move(uid);
  state_->work();
}

void MirrorPods::update(std::vector<std::shared_ptr<const PodView>> pods, std::vector<api::PodPtr> api_pods) {
  state_->pods = std::move(pods);
  state_->api_pods = std::move(api_pods);
  state_->known = true;
  state_->work();
}

void MirrorPods::stop() {
  state_->slots.clear();
  state_->known = false;
}

}  // namespace keelson::kubelet::cluster
