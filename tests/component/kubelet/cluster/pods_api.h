// A small API server for pods and events, for tests of what a node says to one.
#pragma once

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "api/client/api_client.h"
#include "api/client/informer.h"
#include "api/codec.h"
#include "api/pod.h"
#include "base/clock.h"
#include "base/executor.h"

namespace keelson::kubelet::cluster {

// Strict where it matters here: uid preconditions, names in use, strategic merge of the status. Answers come
// on the loop, in order; what a request did holds even if its answer is lost. Home: loop.
class PodsApi : public api::client::ApiClient {
 public:
  using Changes = std::vector<api::client::Change<api::Pod>>;
  using Watch = std::function<void(const Changes&, const std::vector<api::PodPtr>&)>;

  PodsApi(Loop& loop, Clock& clock) : loop_(loop), clock_(clock) {}

  // ---- what a test does to it ----

  // Lists at once, then tells each change, each time on the loop.
  void watch(Watch watch) {
    watch_ = std::move(watch);
    shown_.clear();
    listed_ = false;
    tell();
  }
  void unwatch() { watch_ = nullptr; }
  // While it is cut, nothing is told and every request ends with kUnavailable, without an effect.
  void cut(bool is_cut) {
    cut_ = is_cut;
    if (!cut_) tell();
  }
  void failNext(Error error) { failures_.push_back(std::move(error)); }
  // The next request takes effect, and its answer is lost.
  void loseNextAnswer() { lose_answer_ = true; }
  void holdWatch(bool held) {
    held_ = held;
    if (!held_) tell();
  }

  api::PodPtr create(api::Pod pod) {
    if (pod.metadata.uid.empty()) pod.metadata.uid = "uid-" + std::to_string(++uids_);
    pod.metadata.generation = 1;
    pod.metadata.creation_timestamp = clock_.wall();
    if (pod.status.phase.empty()) pod.status.phase = "Pending";
    pod.status.qos_class = "BestEffort";
    pod.status.conditions.push_back({"PodScheduled", "True", "", "", std::nullopt, clock_.wall(), 1});
    return put(std::move(pod));
  }
  // As `kubectl edit`: the generation grows.
  void edit(const std::string& name, const std::function<void(api::Pod&)>& change) {
    api::Pod pod = *pods_.at("default/" + name);
    change(pod);
    ++pod.metadata.generation;
    put(std::move(pod));
  }
  void patchStatus(const std::string& name, const std::function<void(api::PodStatus&)>& change) {
    api::Pod pod = *pods_.at("default/" + name);
    change(pod.status);
    put(std::move(pod));
  }
  // As `kubectl delete`: with a grace period the node has the last word.
  void remove(const std::string& name, int64_t grace = 30) {
    api::Pod pod = *pods_.at("default/" + name);
    if (pod.metadata.deletion_grace_period_seconds)
      grace = std::min(grace, *pod.metadata.deletion_grace_period_seconds);
    pod.metadata.deletion_grace_period_seconds = grace;
    pod.metadata.deletion_timestamp = clock_.wall() + std::chrono::seconds(grace);
    put(std::move(pod));
  }
  // As `kubectl delete --force`.
  void erase(const std::string& name) {
    pods_.erase("default/" + name);
    tell();
  }

  // ---- what a test asks it ----

  api::PodPtr pod(const std::string& name) const {
    const auto found = pods_.find("default/" + name);
    return found == pods_.end() ? nullptr : found->second;
  }
  std::string phase(const std::string& name) const {
    const auto found = pod(name);
    return found ? found->status.phase : "gone";
  }
  const std::vector<std::string>& requests() const { return requests_; }  // "PATCH /api/..."
  size_t count(const std::string& prefix) const {
    return static_cast<size_t>(std::count_if(requests_.begin(), requests_.end(),
                                             [&](const auto& one) { return one.rfind(prefix, 0) == 0; }));
  }
  const std::map<std::string, json::object>& events() const { return events_; }
  // Every status that the pod had, by uid.
  const std::vector<api::PodStatus>& history(const std::string& uid) { return history_[uid]; }
  size_t most_in_flight() const { return most_in_flight_; }

  // ---- ApiClient ----

  api::client::Call send(api::client::ApiRequest request, Done done) override {
    requests_.push_back(request.method + " " + request.path);
    bodies.push_back(request.body);
    auto alive = std::make_shared<bool>(true);
    most_in_flight_ = std::max(most_in_flight_, ++in_flight_);
    loop_.post([this, alive, request = std::move(request), done = std::move(done)] {
      --in_flight_;
      Result<json::value> answer = perform(request);
      if (*alive) done(std::move(answer));
    });
    struct Cancel : api::client::Call::Impl {
      explicit Cancel(std::shared_ptr<bool> flag) : flag_(std::move(flag)) {}
      ~Cancel() override { *flag_ = false; }
      std::shared_ptr<bool> flag_;
    };
    return api::client::Call(std::make_unique<Cancel>(alive));
  }
  api::client::Call stream(api::client::ApiRequest, Duration, StreamHandler) override { return {}; }
  const std::string& server() const override { return server_; }

  std::vector<json::value> bodies;  // of requests()

 private:
  api::PodPtr put(api::Pod pod) {
    pod.metadata.resource_version = std::to_string(++version_);
    auto made = std::make_shared<const api::Pod>(std::move(pod));
    pods_[api::podFullName(*made)] = made;
    history_[made->metadata.uid].push_back(made->status);
    tell();
    return made;
  }

  void tell() {
    if (!watch_ || cut_ || held_) return;
    loop_.post([this] {
      if (!watch_ || cut_ || held_) return;
      Changes changes;
      for (const auto& [name, pod] : pods_) {
        const auto before = shown_.find(name);
        if (before == shown_.end()) {
          changes.push_back({nullptr, pod});
        } else if (before->second != pod) {
          changes.push_back({before->second, pod});
        }
      }
      for (const auto& [name, pod] : shown_) {
        if (!pods_.count(name)) changes.push_back({pod, nullptr});
      }
      if (changes.empty() && listed_) return;
      listed_ = true;
      shown_ = pods_;
      std::vector<api::PodPtr> all;
      for (const auto& [name, pod] : pods_) all.push_back(pod);
      watch_(changes, all);
    });
  }

  Result<json::value> perform(const api::client::ApiRequest& request) {
    const std::string what = request.method + " " + request.path;
    if (cut_) return makeError(Code::kUnavailable, "{}: connection refused", what);
    if (!failures_.empty()) {
      Error error = std::move(failures_.front());
      failures_.pop_front();
      return error;
    }
    Result<json::value> answer =
        request.path.find("/events") != std::string::npos ? doEvent(request, what) : doPod(request, what);
    if (std::exchange(lose_answer_, false))
      return makeError(Code::kUnavailable, "{}: connection reset", what);
    return answer;
  }

  Result<json::value> doEvent(const api::client::ApiRequest& request, const std::string& what) {
    if (request.method == "POST") {
      const std::string name = json::value_to<std::string>(request.body.at("metadata").at("name"));
      events_[name] = request.body.as_object();
      return request.body;
    }
    const std::string name = request.path.substr(request.path.rfind('/') + 1);
    const auto found = events_.find(name);
    if (found == events_.end()) return makeError(Code::kNotFound, "{}: 404 Not Found", what);
    found->second["series"] = request.body.at("series");
    return json::value(found->second);
  }

  Result<json::value> doPod(const api::client::ApiRequest& request, const std::string& what) {
    if (request.method == "POST") {
      auto pod = api::decode<api::Pod>(request.body);
      if (!pod) return pod.error();
      if (pods_.count(api::podFullName(pod->value)))
        return makeError(Code::kAlreadyExists, "{}: 409 AlreadyExists", what);
      return api::encode(*create(std::move(pod->value)));
    }
    std::string path = request.path.substr(std::string("/api/v1/namespaces/").size());
    path.erase(path.find("/pods"), 5);
    const bool status = path.ends_with("/status");
    if (status) path.erase(path.size() - 7);
    const auto found = pods_.find(path);
    if (found == pods_.end()) return makeError(Code::kNotFound, "{}: 404 Not Found", what);
    const auto& part =
        request.method == "DELETE" ? request.body.at("preconditions") : request.body.at("metadata");
    const std::string uid = json::value_to<std::string>(part.at("uid"));
    if (uid != found->second->metadata.uid)
      return makeError(Code::kFailedPrecondition, "{}: 409 Conflict", what);
    if (request.method == "DELETE") {
      const json::value old = api::encode(*found->second);
      deleted.push_back(found->second);
      pods_.erase(found);
      tell();
      return old;
    }
    json::value value = api::encode(*found->second);
    merge(value.as_object()["status"], request.body.at("status"));
    auto pod = api::decode<api::Pod>(value);
    if (!pod) return pod.error();
    return api::encode(*put(std::move(pod->value)));
  }

  static void merge(json::value& into, const json::value& patch) {
    if (!patch.is_object()) {
      into = patch;
      return;
    }
    if (!into.is_object()) into = json::object();
    for (const auto& member : patch.as_object()) {
      const std::string name(member.key());
      json::value& target = into.as_object()[name];
      if (member.value().is_null()) {
        into.as_object().erase(name);
      } else if (name == "conditions" || name == "podIPs" || name == "hostIPs") {
        mergeList(target, member.value().as_array(), name == "conditions" ? "type" : "ip");
      } else {
        merge(target, member.value());
      }
    }
  }
  static void mergeList(json::value& into, const json::array& patch, const char* key) {
    if (!into.is_array()) into = json::array();
    json::array& list = into.as_array();
    for (const auto& item : patch) {
      const json::value& name = item.at(key);
      auto at = std::find_if(list.begin(), list.end(), [&](const auto& one) { return one.at(key) == name; });
      if (item.as_object().contains("$patch")) {
        if (at != list.end()) list.erase(at);
      } else if (at == list.end()) {
        list.push_back(item);
      } else {
        merge(*at, item);
      }
    }
  }

 public:
  std::vector<api::PodPtr> deleted;  // as they were when the node removed them

 private:
  Loop& loop_;
  Clock& clock_;
  const std::string server_ = "https://192.0.2.9:6443";
  std::map<std::string, api::PodPtr> pods_, shown_;
  std::map<std::string, json::object> events_;
  std::map<std::string, std::vector<api::PodStatus>> history_;
  std::vector<std::string> requests_;
  std::deque<Error> failures_;
  Watch watch_;
  bool cut_ = false, held_ = false, lose_answer_ = false, listed_ = false;
  size_t in_flight_ = 0, most_in_flight_ = 0;
  uint64_t version_ = 100;
  int uids_ = 0;
};

}  // namespace keelson::kubelet::cluster
